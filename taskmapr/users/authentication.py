"""Who sends a request. The principal is always a `User`: `request.user`."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from taskmapr.core.errors import InvalidScheme, InvalidToken
from taskmapr.users.credentials import Credential
from taskmapr.users.models import User
from taskmapr.users.selectors import user_by_id
from taskmapr.users.services.dev_user import dev_user_ensure
from taskmapr.users.tokens import access_token_read

#: Set by proxies: behind one, the peer's address says nothing about the sender's.
_FORWARDING: Final = (
    "HTTP_FORWARDED",
    "HTTP_VIA",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
    "HTTP_CF_CONNECTING_IP",
    "HTTP_TRUE_CLIENT_IP",
)


class Principal(BaseAuthentication):
    """The only authentication class of the JSON API: credentials, else the development user."""

    def authenticate(self, request: Request) -> tuple[User, Credential] | None:
        """None when nothing was sent. Raises 401 errors for credentials that are no good."""
        if settings.DISABLE_AUTH:
            return _development()
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if header:
            user = user_of_bearer(header)
            return user, Credential(kind="native_jwt", ref=f"user:{user.pk}")
        if is_zero_config() and is_local(request._request):
            return _development()
        return None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _development() -> tuple[User, Credential]:
    user = dev_user_ensure()
    return user, Credential(kind="development", ref=f"user:{user.pk}")


def user_of_bearer(header: str) -> User:
    """The active user whom an Authorization header names; the scheme's case does not matter.

    Reads the user's row each time, so a deactivated account is refused at once.
    Raises InvalidScheme, InvalidToken or TokenExpired.
    """
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidScheme
    user = user_by_id(access_token_read(token.strip()))
    if user is None or not user.is_active:
        raise InvalidToken
    return user


def is_zero_config() -> bool:
    """True on a developer's machine where no server was named: both run embedded."""
    embedded = settings.EMBEDDED_POSTGRES and settings.EMBEDDED_REDIS
    return bool(settings.ENV == "dev" and embedded)


def is_local(request: HttpRequest) -> bool:
    """True when this very machine asks, for a page of this very machine.

    The Host header is looked at as well: a foreign page whose name resolves to 127.0.0.1 sends its
    own name there, and no Origin.
    """
    if any(name in request.META for name in _FORWARDING):
        return False
    origin = request.META.get("HTTP_ORIGIN")
    return (
        _is_loopback(request.META.get("REMOTE_ADDR", ""))
        and _is_local_name(urlsplit(f"//{request.META.get('HTTP_HOST', '')}").hostname)
        and (origin is None or _is_local_name(urlsplit(origin).hostname))
    )


def _is_local_name(host: str | None) -> bool:
    return host == "localhost" or _is_loopback(host or "")


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
