"""Who sends a request: `request.user` is a `User`, `request.auth` a `Credential`.

A request may carry several credentials; each must be good, and all must be one user's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from taskmapr.core.errors import (
    AuthNotConfigured,
    InvalidApiKey,
    InvalidScheme,
    InvalidToken,
    MissingApiKey,
    TokenExpired,
)
from taskmapr.foundation.database_state import asked_or
from taskmapr.foundation.throttling import client_address
from taskmapr.users.credentials import Credential
from taskmapr.users.development import is_local, is_sign_in_configured, is_zero_config
from taskmapr.users.models import User
from taskmapr.users.page_sessions import user_of_session
from taskmapr.users.principals import Admitted, is_key, principal_of_key, principal_of_token
from taskmapr.users.services.dev_user import DEV_USER_ID, dev_user_ensure
from taskmapr.users.without_database import user_trusted

Check = Callable[[], Admitted]


class Principal(BaseAuthentication):
    """The authentication class of the JSON API: credentials, else the development user."""

    def authenticate(self, request: Request) -> Admitted | None:
        """None when nothing was sent. Raises 401 errors for credentials that are no good."""
        if settings.DISABLE_AUTH:
            return _development()
        if checks := self._sent(request):
            return _one([check() for check in checks])
        if is_zero_config() and is_local(request._request):
            return _development()
        if user := self._of_session(request._request):
            return user, Credential(kind="session", ref=f"user:{user.pk}")
        if not is_sign_in_configured():
            raise AuthNotConfigured
        return None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

    def _sent(self, request: Request) -> list[Check]:
        """How to check each credential that was sent; the first one names the principal."""
        checks: list[Check] = []
        address = client_address(request._request)
        if header := request.META.get("HTTP_AUTHORIZATION", ""):
            checks.append(lambda: principal_of_token(_bearer(header), address=address))
        if key := request.META.get("HTTP_X_API_KEY", "").strip():
            checks.append(lambda: principal_of_key(key, address=address))
        return checks

    def _of_session(self, request: HttpRequest) -> User | None:
        """Asked last: a cookie is sent whether its owner means this request or not."""
        return user_of_session(request)


class QueryTokenPrincipal(Principal):
    """Also takes a token in the query, as `access_token`: for streams that a browser opens itself.

    Only where an EventSource connects: an address ends up in histories and in proxies' logs.
    """

    def _sent(self, request: Request) -> list[Check]:
        checks = super()._sent(request)
        if token := request.query_params.get("access_token", ""):
            address = client_address(request._request)
            checks.append(lambda: principal_of_token(token, address=address))
        return checks

    def _of_session(self, request: HttpRequest) -> User | None:
        """Never: to follow a link to such an address would be enough to start something."""
        return None


class KeyPrincipal(Principal):
    """The same for endpoints whose clients are programs: what is wrong with a key is told by codes
    of its own, and so is that there is none."""

    def authenticate(self, request: Request) -> Admitted:
        admitted = super().authenticate(request)
        if admitted is None:
            raise MissingApiKey
        return admitted

    def _sent(self, request: Request) -> list[Check]:
        return [partial(_checked_key, check, request) for check in super()._sent(request)]


def _checked_key(check: Check, request: Request) -> Admitted:
    try:
        return check()
    except (InvalidToken, TokenExpired) as error:
        if is_key_sent(request):
            raise InvalidApiKey from error
        raise


def is_key_sent(request: Request) -> bool:
    """Whether a request shows a key, good or not, rather than a person's token."""
    if request.META.get("HTTP_X_API_KEY", "").strip():
        return True
    _, _, token = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    return is_key(token.strip())


def _one(admitted: list[Admitted]) -> Admitted:
    if len({user.pk for user, _ in admitted}) > 1:
        raise InvalidToken("The credentials that were sent belong to different users.")
    return admitted[0]


def _bearer(header: str) -> str:
    """The token of an Authorization header; the scheme's case does not matter."""
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidScheme
    return token.strip()


def _development() -> Admitted:
    user = asked_or(dev_user_ensure, lambda: user_trusted(DEV_USER_ID))
    return user, Credential(kind="development", ref=f"user:{user.pk}")
