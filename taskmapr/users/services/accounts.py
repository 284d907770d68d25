"""Accounts: opened, changed, closed, erased."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from taskmapr.core.errors import EmailTaken, InvalidCredentials, InvalidInput, NotFound
from taskmapr.users.models import User, email_normal
from taskmapr.users.services.data_keys import data_key_destroy, data_key_ensure
from taskmapr.users.services.sign_ins import (
    AuthTokens,
    password_check,
    sign_ins_revoke,
    tokens_issue,
    user_for_update,
)
from taskmapr.users.without_database import account_closed_note, account_opened_note


@transaction.atomic
def user_register(*, email: str, password: str) -> AuthTokens:
    """Open an account with its data key, and sign in.

    Raises InvalidInput for a password that the validators refuse, EmailTaken for a known address.
    """
    user = User(email=email_normal(email))
    password_validate(password, user)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise EmailTaken from error
    data_key_ensure(user_id=user.pk)
    return tokens_issue(user_id=user.pk)


@transaction.atomic
def password_change(*, user_id: UUID, password: str) -> None:
    """Set a new password and end every sign-in. Raises InvalidInput or NotFound."""
    user = _locked(user_id)
    password_validate(password, user)
    user.set_password(password)
    user.save(update_fields=["password", "updated_at"])
    sign_ins_revoke(user_id=user_id)


@transaction.atomic
def user_deactivate(*, user_id: UUID) -> None:
    """Close an account: its sign-ins end, and tokens still running are refused at once."""
    user = _locked(user_id)
    user.is_active = False
    user.save(update_fields=["is_active", "updated_at"])
    sign_ins_revoke(user_id=user_id)
    transaction.on_commit(lambda: account_closed_note(user_id))


@transaction.atomic
def user_activate(*, user_id: UUID) -> None:
    """Open a closed account again. Raises NotFound also for one that is to be erased."""
    user = _locked(user_id)
    if user.erasure_requested_at is not None:
        raise NotFound
    user.is_active = True
    user.save(update_fields=["is_active", "updated_at"])
    transaction.on_commit(lambda: account_opened_note(user_id))


def user_delete_own(*, user: User, password: str) -> None:
    """As `user_delete`, on the owner's word. Raises InvalidCredentials (counted like a sign-in)."""
    if password_check(email=user.email, password=password).pk != user.pk:
        raise InvalidCredentials
    user_delete(user_id=user.pk)


@transaction.atomic
def user_delete(*, user_id: UUID) -> None:
    """Close an account for ever: the data key is destroyed first, the rows follow in a job.

    Repeating it changes nothing. `services.erasure.users_erase` finds what is left to do.
    """
    user = _locked(user_id)
    data_key_destroy(user_id=user_id)
    user_deactivate(user_id=user_id)
    if user.erasure_requested_at is None:
        User.objects.filter(pk=user_id).update(erasure_requested_at=timezone.now())


def password_validate(password: str, user: User) -> None:
    """Raises InvalidInput that lists everything wrong with the password."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput.of(*(("password", text) for text in error.messages)) from error


def _locked(user_id: UUID) -> User:
    if (user := user_for_update(user_id)) is None:
        raise NotFound
    return user
