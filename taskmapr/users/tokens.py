"""Access tokens (signed, short-lived) and refresh tokens (random, stored as a hash)."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID, uuid4

import jwt
from django.conf import settings

from taskmapr.core.errors import AuthNotConfigured, InvalidToken, TokenExpired
from taskmapr.users.token_shape import header_unverified

ISSUER: Final = "taskmapr"
ACCESS_LIFE: Final = timedelta(minutes=15)
REFRESH_LIFE: Final = timedelta(days=30)
#: How far the clocks of two machines may differ.
LEEWAY: Final = timedelta(seconds=30)
#: Verified tokens that a process remembers.
KEPT: Final = 1_024
_REQUIRED: Final = ["iss", "sub", "exp", "iat", "jti", "typ"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    text: str
    expires_at: datetime


def access_token_make(user_id: UUID) -> AccessToken:
    """Raises AuthNotConfigured when the server has no signing secret."""
    now = datetime.now(UTC)
    expires_at = now + ACCESS_LIFE
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "sub": str(user_id),
        "iat": now,
        "exp": expires_at,
        "jti": str(uuid4()),
        "typ": "access",
    }
    text = jwt.encode(claims, _secret(), algorithm=settings.JWT_ALGORITHM)
    return AccessToken(text=text, expires_at=expires_at)


def access_token_read(text: str) -> UUID:
    """The user whom the token names.

    Only the one algorithm of the settings is accepted, whatever the token's header says.
    Raises TokenExpired when only its time is over, InvalidToken for everything else.
    """
    user_id, ends_at = _verified(text, _secret(), settings.JWT_ALGORITHM)
    if time.time() >= ends_at:
        raise TokenExpired
    return user_id


@lru_cache(maxsize=KEPT)
def _verified(text: str, secret: str, algorithm: str) -> tuple[UUID, int]:
    """Whom the token names, and until when (seconds since 1970, the leeway included).

    A signature that was right stays right: only the clock can spoil a token that was verified, and
    a client sends the same one for a quarter of an hour. Errors are not kept.
    """
    header_unverified(text)
    try:
        claims = jwt.decode(
            text,
            secret,
            algorithms=[algorithm],
            issuer=ISSUER,
            leeway=LEEWAY,
            # Looked at last: a token whose other claims are wrong too is invalid, not expired.
            options={"require": _REQUIRED, "verify_aud": False, "verify_exp": False},
        )
        ends_at = int(claims["exp"]) + int(LEEWAY.total_seconds())
    except (jwt.InvalidTokenError, ValueError) as error:
        raise InvalidToken from error
    return _subject(claims), ends_at


def refresh_token_make() -> tuple[str, str]:
    """(the token for the client, its hash for the database)."""
    text = secrets.token_urlsafe(32)
    return text, refresh_token_hash(text)


def refresh_token_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _subject(claims: dict[str, Any]) -> UUID:
    if claims["typ"] != "access":
        raise InvalidToken("This is not an access token.")
    try:
        return UUID(claims["sub"])
    except ValueError as error:
        raise InvalidToken from error


def _secret() -> str:
    if not settings.JWT_SECRET:
        raise AuthNotConfigured
    return settings.JWT_SECRET
