"""The admin's session cookie as a credential: for API calls from the admin's own pages."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, HttpResponse
from rest_framework.authentication import CSRFCheck

from taskmapr.core.errors import NotAllowed
from taskmapr.foundation.database_state import asked_or
from taskmapr.foundation.origins import address_parts
from taskmapr.users.models import User
from taskmapr.users.without_database import nobody


def user_of_session(request: HttpRequest) -> User | None:
    """The operator whose session the cookie names; None without one.

    Reads the session anew: the middleware that does so for pages passes API requests by. Other
    sites' pages are strangers here even if a browser sends the cookie along, and whatever changes
    something needs the CSRF token beside it. Raises NotAllowed for a request that lacks it.
    """
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not key or _is_from_elsewhere(request):
        return None
    store: Any = import_module(settings.SESSION_ENGINE).SessionStore
    request.session = store(key)
    found = asked_or(lambda: get_user(request), nobody)
    if not found.is_authenticated or not found.is_active or not found.is_staff:
        return None
    _csrf_check(request)
    return found


def _is_from_elsewhere(request: HttpRequest) -> bool:
    """What a page of another site causes, as far as browsers tell."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("Origin")
    if origin is None or origin in settings.CSRF_TRUSTED_ORIGINS:
        return False
    parts = address_parts(origin)
    return origin == "null" or parts is None or parts.netloc != request.get_host()


def _csrf_check(request: HttpRequest) -> None:
    """Raises NotAllowed unless the method only reads, or the token fits."""
    check: Any = CSRFCheck(lambda request: HttpResponse())
    check.process_request(request)
    if reason := check.process_view(request, None, (), {}):
        raise NotAllowed(f"The session cookie alone does not permit this: {reason}")
