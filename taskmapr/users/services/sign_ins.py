"""Signing in and out: access tokens, and refresh tokens that are used once.

Every function that makes or revokes tokens locks the user's row first. So a refresh and a
revocation of all sign-ins cannot pass each other, and of two parallel refreshes one is first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from taskmapr.core.errors import InvalidCredentials, InvalidToken, TokenReused
from taskmapr.users.models import RefreshToken, User
from taskmapr.users.selectors import user_by_email
from taskmapr.users.services.login_failures import login_attempt_take, login_attempts_forget
from taskmapr.users.tokens import (
    REFRESH_LIFE,
    access_token_make,
    refresh_token_hash,
    refresh_token_make,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthTokens:
    """`expires_at`: when the access token ends."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime


def user_login(*, email: str, password: str) -> AuthTokens:
    """Start a sign-in.

    Raises InvalidCredentials alike for an unknown address, a wrong password and an inactive
    account, after the same work; TooMany after ten failures; Unavailable without Redis.
    """
    user = password_check(email=email, password=password)
    return tokens_issue(user_id=user.pk)


def password_check(*, email: str, password: str) -> User:
    """The active user with that address and password. Errors as `user_login`."""
    login_attempt_take(email=email)
    user = user_by_email(email)
    if user is None:
        make_password(password)  # as long as checking one
        raise InvalidCredentials
    if not user.check_password(password) or not user.is_active:
        raise InvalidCredentials
    login_attempts_forget(email=email)
    return user


@transaction.atomic
def tokens_issue(*, user_id: UUID, family: UUID | None = None) -> AuthTokens:
    """New tokens for an active user, in a new family unless one is given. Raises InvalidToken."""
    user = user_for_update(user_id)
    if user is None or not user.is_active:
        raise InvalidToken
    access = access_token_make(user_id)
    refresh, hashed = refresh_token_make()
    RefreshToken.objects.create(
        user=user,
        family=family or uuid4(),
        token_hash=hashed,
        password_mark=user.get_session_auth_hash(),
        expires_at=timezone.now() + REFRESH_LIFE,
    )
    return AuthTokens(access_token=access.text, refresh_token=refresh, expires_at=access.expires_at)


def tokens_refresh(*, refresh_token: str) -> AuthTokens:
    """Replace a refresh token.

    Raises TokenReused when it was used before: by then its whole family is revoked. Raises
    InvalidToken when it is unknown, expired or revoked, its user inactive, or the password another.
    """
    tokens = _refreshed(refresh_token)
    if tokens is None:
        raise TokenReused
    return tokens


@transaction.atomic
def _refreshed(refresh_token: str) -> AuthTokens | None:
    """None when the token was used before; that answer must commit, for it revokes the family."""
    hashed = refresh_token_hash(refresh_token)
    owner = RefreshToken.objects.filter(token_hash=hashed).values_list("user_id", flat=True).first()
    if owner is None or (user := user_for_update(owner)) is None:
        raise InvalidToken
    token = RefreshToken.objects.get(token_hash=hashed)
    if token.used_at is not None:
        _revoke(Q(family=token.family))
        return None
    if token.revoked_at is not None or token.expires_at <= timezone.now():
        raise InvalidToken
    if not constant_time_compare(token.password_mark, user.get_session_auth_hash()):
        raise InvalidToken
    token.used_at = timezone.now()
    token.save(update_fields=["used_at"])
    return tokens_issue(user_id=owner, family=token.family)


@transaction.atomic
def user_logout(*, user_id: UUID, refresh_token: str) -> None:
    """End the sign-in that the token belongs to. Unknown tokens and others' change nothing."""
    user_for_update(user_id)
    families = RefreshToken.objects.filter(
        user_id=user_id, token_hash=refresh_token_hash(refresh_token)
    ).values("family")
    _revoke(Q(family__in=families, user_id=user_id))


@transaction.atomic
def sign_ins_revoke(*, user_id: UUID) -> int:
    """End all sign-ins of a user. Returns how many tokens that revoked."""
    user_for_update(user_id)
    return _revoke(Q(user_id=user_id))


def tokens_prune() -> int:
    """Forget refresh tokens that expired; until then used ones are kept to notice a reuse."""
    return RefreshToken.objects.filter(expires_at__lte=timezone.now()).delete()[0]


def user_for_update(user_id: UUID) -> User | None:
    """Locks the row until commit, without blocking rows that refer to it."""
    return User.objects.select_for_update(no_key=True).filter(pk=user_id).first()


def _revoke(which: Q) -> int:
    live = RefreshToken.objects.filter(which, revoked_at=None)
    return live.update(revoked_at=timezone.now())
