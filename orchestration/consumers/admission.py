"""Who opens a socket: the handshake as a request, so that it is judged like any other.

Headers are those of the API (`x-api-key`, `Authorization`). What a browser cannot send in headers
comes in the address (`api_key`, `token`) or in the first message. Cookies open nothing: browsers
send them whoever's page it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.db import Error
from django.http import HttpRequest
from django.utils.module_loading import import_string
from rest_framework.request import Request

from taskmapr.core.errors import AuthNotConfigured, DatabaseUnavailable, MissingToken, ScopeMissing
from taskmapr.foundation.cors import ProfileOrigins
from taskmapr.foundation.database_state import database_is_away, is_connection_loss
from taskmapr.foundation.origins import Origins, address_parts
from taskmapr.foundation.throttling import client_address
from taskmapr.users.authentication import Check, Principal
from taskmapr.users.models import User
from taskmapr.users.principals import Admitted, principal_of_key, principal_of_token

#: Fields of the first message.
_FIELDS: Final = ("api_key", "token")


class Credentials:
    """What a handshake says of who knocks."""

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.request = HttpRequest()
        self.request.path = self.request.path_info = scope["path"]
        self.request.META = _meta(scope)
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        self.after = query.get("after", "")
        self._given = {name: query[name] for name in _FIELDS if query.get(name)}

    def with_first(self, message: Mapping[str, Any]) -> Credentials:
        """What the first message adds. Raises MissingToken for one that names no credential."""
        given = {n: v for n in _FIELDS if isinstance(v := message.get(n), str) and v}
        if message.get("type") != "auth" or not given:
            raise MissingToken
        self._given |= given
        return self

    @property
    def origin(self) -> str:
        return str(self.request.META.get("HTTP_ORIGIN", ""))

    @property
    def is_own_page(self) -> bool:
        """Whether a page of this very server opens the socket."""
        parts = address_parts(self.origin)
        try:
            return parts is not None and parts.netloc == self.request.get_host()
        except DisallowedHost:
            return False

    def admitted(self) -> Admitted | None:
        """The user and the credential; None when nothing was sent that could be either.

        Sync, uses the database. Raises the errors of `Principal`.
        """
        try:
            return _SocketPrincipal(self._given).authenticate(Request(self.request))
        except AuthNotConfigured:
            return None
        except Error as error:
            if is_connection_loss(error):
                raise DatabaseUnavailable from error
            raise


class _SocketPrincipal(Principal):
    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given

    def _sent(self, request: Request) -> list[Check]:
        checks = super()._sent(request)
        address = client_address(request._request)
        if key := self._given.get("api_key"):
            checks.append(lambda: principal_of_key(key.strip(), address=address))
        if token := self._given.get("token"):
            checks.append(lambda: principal_of_token(token.strip(), address=address))
        return checks

    def _of_session(self, request: HttpRequest) -> User | None:
        return None


def scope_check(admitted: Admitted, *scopes: str) -> None:
    """Raises ScopeMissing for a credential that has none of these."""
    if not any(admitted[1].permits(scope) for scope in scopes):
        raise ScopeMissing(f"The scope `{scopes[0]}` is needed.", details={"scopes": list(scopes)})


class Welcome:
    """Pages of which origins may open sockets: those of the settings, of the profiles, our own."""

    def __init__(self) -> None:
        self._settings = Origins(settings.CORS_ALLOWED_ORIGINS)
        self._profiles = ProfileOrigins(import_string(settings.TASKMAPR_ORIGINS))

    def has(self, credentials: Credentials) -> bool:
        """What sends no Origin is no page. May read the database."""
        origin = credentials.origin
        if not origin or credentials.is_own_page or origin in self._settings:
            return True
        if self._profiles.is_stale and not database_is_away():
            self._profiles.read()
        return origin in self._profiles


def _meta(scope: Mapping[str, Any]) -> dict[str, str]:
    """Headers as WSGI names them; one sent twice is joined, as everywhere."""
    meta: dict[str, str] = {"REQUEST_METHOD": "GET", "SERVER_NAME": "", "SERVER_PORT": ""}
    for name, value in scope["headers"]:
        key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        text = value.decode("latin-1")
        meta[key] = f"{meta[key]},{text}" if key in meta else text
    if client := scope.get("client"):
        meta["REMOTE_ADDR"] = client[0]
    return meta
