"""Local users of the external identity provider: made on first use, one for each identity."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from taskmapr.users.models import ExternalIdentity, User, email_normal
from taskmapr.users.selectors import user_by_identity
from taskmapr.users.services.data_keys import data_key_ensure

#: For users whose address is unknown, unusable or another account's. Never delivered to (RFC 6761).
_NOWHERE: Final = "external.invalid"
_EMAIL_MAX: Final = 254


def external_user_ensure(*, issuer: str, subject: str, email: str = "") -> User:
    """The one user of that identity, made with tier `free` if there is none.

    An address that is another account's is not taken over, and joins nothing: the new user gets a
    placeholder. Simultaneous first uses end with the same user.
    """
    user = user_by_identity(issuer, subject) or _made(issuer, subject, _usable(email))
    # Somebody else was first: with the identity, or only with the address.
    user = user or user_by_identity(issuer, subject) or _made(issuer, subject, "")
    user = user or user_by_identity(issuer, subject)
    if user is None:
        raise IntegrityError("the user of an external identity could not be made")
    return user


def _made(issuer: str, subject: str, email: str) -> User | None:
    """None when the identity or the address exists already; then nothing was made."""
    user = User(email=email or f"{uuid4()}@{_NOWHERE}")
    user.set_unusable_password()
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            ExternalIdentity.objects.create(user=user, issuer=issuer, subject=subject)
            data_key_ensure(user_id=user.pk)
    except IntegrityError:
        return None
    return user


def _usable(email: str) -> str:
    """The address in its normal spelling, or nothing when it is not an address."""
    normal = email_normal(email)
    try:
        validate_email(normal)
    except ValidationError:
        return ""
    return normal if len(normal) <= _EMAIL_MAX else ""
