"""What is told of each request: a log line for those of the API, and a count."""

from __future__ import annotations

import logging
import time
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, ResolverMatch, resolve

from taskmapr.foundation.paths import spelled_path
from taskmapr.foundation.problems import problem_code_of
from taskmapr.foundation.telemetry import metrics

logger = logging.getLogger(__name__)

#: Asked every few seconds by machines; only failures are news.
_PROBES: Final = frozenset({"health", "metrics"})


def request_log(request: HttpRequest, response: HttpResponseBase, *, since: float) -> None:
    """Write the line. since: `time.perf_counter()` at the start of the request.

    Routes are told as patterns, never as sent: paths hold ids and query strings may hold tokens. A
    stream is logged when it begins, with the milliseconds until then.
    """
    route = route_of(request)
    is_news = request.method != "OPTIONS" and (route not in _PROBES or response.status_code >= 400)
    level = logging.INFO if is_news else logging.DEBUG
    if not logger.isEnabledFor(level):
        return
    facts = {
        "method": request.method,
        "path": f"/{route}",
        "status": response.status_code,
        "duration_ms": round((time.perf_counter() - since) * 1000, 1),
    }
    logger.log(level, "%(method)s %(path)s %(status)d in %(duration_ms)s ms", facts, extra=facts)


def route_of(request: HttpRequest) -> str:
    """The pattern that the request's path matched; `unmatched` when there is none."""
    match = request.resolver_match
    if match is None:
        # It was answered before Django looked: a refusal, a preflight, a file.
        match = _match(request.path_info)
    return match.route if match is not None else "unmatched"


def endpoint_of(request: HttpRequest) -> str:
    """The route as a label: a closed set, however clients spell their paths."""
    return f"/{route_of(request)}"


def _match(path: str) -> ResolverMatch | None:
    if path.startswith(settings.STATIC_URL):
        return None
    try:
        return resolve(spelled_path(path))
    except Resolver404:
        return None


def request_measure(request: HttpRequest, response: HttpResponseBase) -> None:
    """Count the request, and what went wrong with it."""
    metrics.request_counted(
        endpoint=endpoint_of(request),
        method=request.method,
        status=response.status_code,
        code=problem_code_of(response),
    )
