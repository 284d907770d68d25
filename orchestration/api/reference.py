"""`/docs`: the endpoints and error codes of this server, for people who write clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from taskmapr.core.errors import error_classes


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of the page. A test holds the rows against the URL map."""

    method: str
    path: str
    purpose: str
    who: str


ENDPOINTS: Final = (
    Endpoint("POST", "/api/taskmapr/orchestrate", "Ask about a page; a stream, or JSON", "user"),
    Endpoint(
        "GET", "/api/taskmapr/runs/{run_id}", "The state of a run, what it waits for", "owner"
    ),
    Endpoint("GET", "/api/taskmapr/runs/{run_id}/stream", "Follow or resume a run", "owner"),
    Endpoint("POST", "/api/taskmapr/runs/{run_id}/cancel", "Stop a run", "owner"),
    Endpoint("POST", "/api/taskmapr/approvals/{id}", "Answer what a run waits for", "owner"),
    Endpoint("GET", "/api/history/{session_key}", "What was said in a session", "owner"),
    Endpoint("POST", "/api/v1/auth/register", "Open an account", "anybody"),
    Endpoint("POST", "/api/v1/auth/login", "Sign in", "anybody"),
    Endpoint("POST", "/api/v1/auth/refresh", "Exchange a refresh token", "anybody"),
    Endpoint("POST", "/api/v1/auth/logout", "Sign out", "user"),
    Endpoint("GET", "/api/v1/auth/me", "Who am I", "user"),
    Endpoint("DELETE", "/api/v1/auth/me", "Delete the account", "user"),
    Endpoint("GET", "/health", "Is everything there", "anybody"),
    Endpoint("GET", "/", "What this server is", "anybody"),
)


def service_docs(request: HttpRequest) -> HttpResponse:
    problems = {cls.code: cls for cls in error_classes()}
    context = {
        "endpoints": ENDPOINTS,
        "problems": sorted(problems.values(), key=lambda cls: (cls.status, cls.code)),
        "public_url": settings.PUBLIC_URL,
    }
    return render(request, "orchestration/docs.html", context)
