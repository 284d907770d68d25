"""One log line for each request of the API: which route, how it ended, how long it took."""

from __future__ import annotations

import logging
import time
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

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
    return match.route if match is not None else "unmatched"
