"""The developer's machine, on which nothing is configured: who sits there needs no credentials."""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import Final

from django.conf import settings
from django.http import HttpRequest

from taskmapr.core.errors import DatabaseUnavailable
from taskmapr.foundation.database_state import asked_or
from taskmapr.foundation.origins import address_parts
from taskmapr.users.selectors import api_keys_exist

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
#: Seconds for which a process believes that there is, or is no, API key.
FRESH_S: Final = 3.0


class _KeysKnown:
    """Whether any API key exists, asked at most every FRESH_S seconds."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._until = 0.0
        self._exist: bool | None = None

    def exist(self) -> bool:
        """Raises DatabaseUnavailable when it cannot be asked and never was."""
        if time.monotonic() >= self._until:
            self._exist = asked_or(api_keys_exist, self._remembered)
            self._until = time.monotonic() + FRESH_S
        return self._remembered()

    def _remembered(self) -> bool:
        if self._exist is None:
            raise DatabaseUnavailable
        return self._exist


_keys = _KeysKnown()


def keys_forget() -> None:
    """Let the next question go to the database: after a key was made here, and in tests."""
    _keys.forget()


def is_zero_config() -> bool:
    """True on a developer's machine where neither a server nor a way to sign in was named."""
    return is_untouched() and not _keys.exist()


def is_untouched() -> bool:
    """The part of `is_zero_config` that the settings alone decide."""
    embedded = settings.EMBEDDED_POSTGRES and settings.EMBEDDED_REDIS
    return bool(settings.ENV == "dev" and embedded and not settings.EXTERNAL_SIGN_IN.is_named)


def is_sign_in_configured() -> bool:
    """False when no request could ever be let in."""
    named = settings.JWT_SECRET or settings.EXTERNAL_SIGN_IN.is_configured
    return bool(named) or _keys.exist()


def is_local(request: HttpRequest) -> bool:
    """True when this very machine asks, for a page of this very machine.

    The Host header is looked at as well: a foreign page whose name resolves to 127.0.0.1 sends its
    own name there, and no Origin. Nor does a picture or a link of a foreign page, of which browsers
    tell by Sec-Fetch-Site.
    """
    if any(name in request.META for name in _FORWARDING):
        return False
    origin = request.META.get("HTTP_ORIGIN")
    return (
        _is_loopback(request.META.get("REMOTE_ADDR", ""))
        and _is_local_address(f"//{request.META.get('HTTP_HOST', '')}")
        and (_is_local_address(origin) if origin is not None else not _is_foreign(request))
    )


def _is_foreign(request: HttpRequest) -> bool:
    return bool(request.META.get("HTTP_SEC_FETCH_SITE") == "cross-site")


def _is_local_address(text: str) -> bool:
    host = parts.hostname if (parts := address_parts(text)) is not None else None
    return host == "localhost" or _is_loopback(host or "")


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
