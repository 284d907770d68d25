"""What the service says of itself: what it is, and whether everything is there."""

from __future__ import annotations

import asyncio
import math
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from rest_framework.request import Request

from orchestration.selectors.health import Health, HealthCheck
from taskmapr.core.errors import MissingToken, NotAllowed
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.http.breaker_states import circuit_numbers
from taskmapr.foundation.telemetry.metrics import CONTENT_TYPE, Now, metrics_text
from taskmapr.users.authentication import Principal
from taskmapr.users.development import is_local
from taskmapr.users.scopes import Scope

_check: Final = HealthCheck()

ENDPOINTS: Final = {
    "health": "/health",
    "taskmapr": "/api/taskmapr/orchestrate",
    "chat": "/api/chat/{session_key}",
    "tasks": "/tasks/",
    "orchestrate": "/orchestrate",
    "docs": "/docs",
}


async def service_root(request: HttpRequest) -> HttpResponseBase:
    """JSON for programs, a small page for browsers; needs nothing to be up."""
    health = await _check.health()
    if prefers_html(request.headers.get("Accept", "")):
        context: dict[str, Any] = {
            "health": health.as_json(),
            "version": settings.VERSION,
            "is_dev": settings.DEBUG,
        }
        return render(request, "orchestration/landing.html", context)
    return JsonResponse(
        {
            "status": "ok",
            "service": "taskmapr",
            "version": settings.VERSION,
            "mcp_available": health.mcp == "available",
            "endpoints": ENDPOINTS,
        }
    )


async def service_health(request: HttpRequest) -> JsonResponse:
    health = await _check.health()
    return JsonResponse(health.as_json(), status=503 if health.status == "unhealthy" else 200)


async def service_ready(request: HttpRequest) -> JsonResponse:
    """For load balancers: names of what is missing, and no more."""
    failing = (await _check.health()).failing
    told = {"status": "not ready" if failing else "ready", "failing": failing}
    return JsonResponse(told, status=503 if failing else 200)


async def service_alive(request: HttpRequest) -> JsonResponse:
    """Asks nothing of anybody: the process answers."""
    return JsonResponse({"status": "ok", "version": settings.VERSION})


async def service_metrics(request: HttpRequest) -> HttpResponse:
    """For this machine itself, and for API keys made for it. Raises errors of sign-in."""
    if not is_local(request):
        await in_database(_reader_admit, request)
    health = await _check.health()
    text = await asyncio.to_thread(_metrics_page, health)
    return HttpResponse(text, content_type=CONTENT_TYPE)


def _metrics_page(health: Health) -> bytes:
    return metrics_text(
        Now(
            dependencies=_dependencies(health),
            circuits=circuit_numbers() if health.has_redis else {},
            queue_depth=health.queue_depth,
            workers=health.workers if health.has_redis else None,
        )
    )


def _reader_admit(request: HttpRequest) -> None:
    """People's tokens are no keys: whoever has an account may not read of everybody."""
    admitted = Principal().authenticate(Request(request))
    if admitted is None:
        raise MissingToken
    _, credential = admitted
    if credential.scopes is None or not credential.permits(Scope.METRICS):
        raise NotAllowed(f"An API key with the scope `{Scope.METRICS}` is needed.")


def _dependencies(health: Health) -> dict[str, float]:
    """What was recorded says whether models answer."""
    mcp = {"available": 1.0, "unavailable": 0.0}.get(health.mcp, math.nan)
    return {"db": float(health.has_database), "redis": float(health.has_redis), "mcp": mcp}


def prefers_html(accept: str) -> bool:
    """True when the header ranks `text/html` above JSON, as browsers do."""
    ranks = dict(map(_media_range, accept.split(",")))
    html = ranks.get("text/html", 0.0)
    return html > max(ranks.get("application/json", 0.0), ranks.get("application/*", 0.0))


def _media_range(text: str) -> tuple[str, float]:
    kind, _, parameters = text.strip().partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return kind.strip().lower(), float(value)
            except ValueError:
                return kind.strip().lower(), 0.0
    return kind.strip().lower(), 1.0
