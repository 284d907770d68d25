"""The console: a sample workspace with the assistant beside it, and the parts of our pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from taskmapr.core.run_state import STATUSES
from taskmapr.demo.embedding import embedding
from taskmapr.demo.sample import PLACES, workspace_content
from taskmapr.users.tokens import access_token_make

View = Callable[..., HttpResponse]


def for_developers_and_staff(view: View) -> View:
    """On a developer's machine for everybody, elsewhere for those who may open the admin."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if settings.ENV == "dev" or (request.user.is_active and request.user.is_staff):
            return view(request, *args, **kwargs)
        if request.user.is_authenticated:
            raise PermissionDenied
        return redirect_to_login(request.get_full_path(), reverse("admin:login"))

    return guarded


@require_safe
@for_developers_and_staff
def workspace(request: HttpRequest, place: str = "dashboard") -> HttpResponse:
    """One page with several views; which one is seen follows the path, with and without script."""
    shown = next((known for known in PLACES if known["slug"] == place), None)
    if shown is None:
        raise Http404
    content = {**workspace_content(), "embed": embedding(_server(request)), "shown": shown}
    return render(request, "demo/workspace.html", content)


@require_safe
@for_developers_and_staff
def overlay_demo(request: HttpRequest) -> HttpResponse:
    """Elements of every role, the overlay, and what it says and hears, frame by frame."""
    return render(request, "demo/overlay.html")


@require_safe
@for_developers_and_staff
def tasks(request: HttpRequest) -> HttpResponse:
    """Types of tasks as forms, and one task followed live."""
    return render(request, "demo/tasks.html")


@require_safe
@for_developers_and_staff
def parts(request: HttpRequest) -> HttpResponse:
    """Every part of our pages once."""
    return render(request, "demo/parts.html", {"statuses": STATUSES, "now": datetime.now(UTC)})


@require_POST
@for_developers_and_staff
def token(request: HttpRequest) -> JsonResponse:
    """{token}: what the console's assistant sends to the API in the name of who is signed in here;
    null for nobody. The cookie session itself opens no API path."""
    made = access_token_make(request.user.pk).text if request.user.is_authenticated else None
    return JsonResponse({"token": made}, headers={"Cache-Control": "no-store"})


def _server(request: HttpRequest) -> str:
    """The address that the reader's browser has used, so that a copied tag works at once."""
    return f"{request.scheme}://{request.get_host()}"
