"""What the API document says of the account endpoints: one decorator for each handler."""

from __future__ import annotations

from typing import Final

from taskmapr.core import errors
from taskmapr.core.json_schema import flag, record, text, uuid, whole
from taskmapr.foundation.openapi import answer, described
from taskmapr.users.api.serializers import CredentialsIn, PasswordIn, RefreshIn

_TOKENS: Final = record(
    {
        "access_token": text("Send as `Authorization: Bearer <token>`."),
        "refresh_token": text("Good for one exchange."),
        "expires_at": whole("Of the access token, in Unix seconds."),
    }
)
_PROFILE: Final = record({"id": uuid(), "email": text(), "tier": text()})
_DONE: Final = record({"ok": flag()})

REGISTER: Final = described(
    "Open an account",
    tag="Accounts",
    body=CredentialsIn,
    answers={201: answer(_TOKENS, "The account, signed in.")},
    problems=(errors.EmailTaken, errors.AuthNotConfigured),
)

LOGIN: Final = described(
    "Sign in",
    tag="Accounts",
    body=CredentialsIn,
    answers={200: answer(_TOKENS, "")},
    problems=(errors.InvalidCredentials, errors.AuthNotConfigured),
)

REFRESH: Final = described(
    "Exchange a refresh token",
    tag="Accounts",
    body=RefreshIn,
    answers={200: answer(_TOKENS, "The token that was sent is used up.")},
    problems=(errors.InvalidToken, errors.TokenExpired, errors.TokenReused),
)

LOGOUT: Final = described(
    "Sign out",
    tag="Accounts",
    body=RefreshIn,
    answers={200: answer(_DONE, "")},
)

ME: Final = described("Who am I", tag="Accounts", answers={200: answer(_PROFILE, "")})

ME_DELETE: Final = described(
    "Delete the account",
    tag="Accounts",
    body=PasswordIn,
    answers={202: answer(_DONE, "Everything of it will be erased.")},
    problems=(errors.InvalidCredentials, errors.TooMany),
)
