"""Signing in on the demo site: a cookie of its own, one account of its own."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from taskmapr.demo.esc.models import EscSession

COOKIE: Final = "esc_session"

View = Callable[..., HttpResponse]


def is_account(username: str, password: str) -> bool:
    """Whether these are the demo's credentials; without configured ones nobody comes in."""
    known_name, known_password = settings.DEMO_ESC_CREDENTIALS
    if not known_name or not known_password:
        return False
    is_name = hmac.compare_digest(username.encode(), known_name.encode())
    is_password = hmac.compare_digest(password.encode(), known_password.encode())
    return is_name and is_password


def session_of(request: HttpRequest) -> EscSession | None:
    key = request.COOKIES.get(COOKIE, "")
    return EscSession.objects.filter(key=key, expires_at__gt=datetime.now(UTC)).first()


def session_begin(
    request: HttpRequest, username: str, to: str, *, was_asked_again: bool
) -> HttpResponse:
    EscSession.objects.filter(expires_at__lt=datetime.now(UTC)).delete()
    session = EscSession.objects.create(username=username, was_asked_again=was_asked_again)
    answer = HttpResponseRedirect(to)
    answer.set_cookie(
        COOKIE,
        session.key,
        max_age=3600,
        path=reverse("esc-login"),
        httponly=True,
        samesite="Lax",
        secure=request.is_secure(),
    )
    return answer


def session_end(request: HttpRequest, to: str) -> HttpResponse:
    EscSession.objects.filter(key=request.COOKIES.get(COOKIE, "")).delete()
    answer = HttpResponseRedirect(to)
    answer.delete_cookie(COOKIE, path=reverse("esc-login"))
    return answer


def login_address(**query: str) -> str:
    return f"{reverse('esc-login')}?{urlencode(query)}" if query else reverse("esc-login")


def for_signed_in(view: View) -> View:
    """The view gets the session as its second argument; others are led to the sign-in page."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        session = session_of(request)
        if session is None:
            return HttpResponseRedirect(login_address(next=request.path))
        return view(request, session, *args, **kwargs)

    return guarded
