"""The one translation of errors into HTTP answers: RFC 9457 problem details.

Whatever is raised becomes a TaskMaprError (`translated`), and every TaskMaprError becomes the same
body (`problem_body`). Nothing but a TaskMaprError's own detail is ever told to a client.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import orjson
import redis.exceptions
from django.conf import settings
from django.core import exceptions as django_errors
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.http.response import HttpResponseBase
from rest_framework import exceptions as drf_errors

from taskmapr.core import errors
from taskmapr.core.errors import TaskMaprError
from taskmapr.core.timestamps import timestamp_of
from taskmapr.foundation.database_state import is_connection_loss, is_nul_refused
from taskmapr.foundation.telemetry.logs import bound_id, redacted

logger = logging.getLogger(__name__)

PROBLEM_JSON: Final = "application/problem+json"

_PLAIN: Final[tuple[tuple[type[Exception], type[TaskMaprError]], ...]] = (
    (Http404, errors.NotFound),
    (drf_errors.NotFound, errors.NotFound),
    (django_errors.RequestDataTooBig, errors.PayloadTooLarge),
    (UnreadablePostError, errors.InvalidRequest),
    (django_errors.PermissionDenied, errors.NotAllowed),
    (django_errors.SuspiciousOperation, errors.InvalidRequest),
    (django_errors.BadRequest, errors.InvalidRequest),
    (drf_errors.NotAuthenticated, errors.MissingToken),
    (drf_errors.AuthenticationFailed, errors.NotAuthenticated),
    (drf_errors.PermissionDenied, errors.NotAllowed),
    (drf_errors.NotAcceptable, errors.NotAcceptable),
    (drf_errors.UnsupportedMediaType, errors.UnsupportedMediaType),
    (drf_errors.ParseError, errors.InvalidJson),
    (redis.exceptions.ConnectionError, errors.QueueUnavailable),
    (redis.exceptions.TimeoutError, errors.QueueUnavailable),
)


def problem_body(error: TaskMaprError, *, path: str, request_id: str) -> dict[str, Any]:
    """The members of the answer, in their documented order."""
    return {
        "type": _type_of(error),
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": path,
        "code": error.code,
        "error": error.detail,
        "message": error.detail,
        "details": error.details,
        "request_id": request_id,
        "timestamp": timestamp_of(datetime.now(UTC)),
    }


def problem_response(error: Exception, request: HttpRequest) -> HttpResponse:
    """The answer to a request that failed. Callable from sync and async views alike.

    An exception that nobody foresaw is logged with its traceback and answered without it.
    """
    known = translated(error)
    if known.status >= 500 and not isinstance(error, TaskMaprError):
        logger.error("Request failed: %s", redacted(repr(error)), exc_info=error)
    body = problem_body(known, path=quote(request.path), request_id=request_id_of(request))
    response = HttpResponse(
        orjson.dumps(body, default=str),
        content_type=PROBLEM_JSON,
        status=known.status,
        headers=known.headers,
    )
    response.problem_code = known.code  # type: ignore[attr-defined]
    return response


def problem_code_of(response: HttpResponseBase) -> str:
    """The code of what an answer refuses or reports; empty when all is well."""
    if response.status_code < 400:
        return ""
    known: str | None = getattr(response, "problem_code", None)
    return known or problem_of_status(response.status_code).code


def _type_of(error: TaskMaprError) -> str:
    """Where the code is explained; codes that tools invent are explained nowhere (RFC 9457)."""
    if error.has_own_codes:
        return "about:blank"
    return f"{settings.PUBLIC_URL.rstrip('/')}/problems/{error.code}"


def request_id_of(request: HttpRequest) -> str:
    return getattr(request, "request_id", "") or bound_id("request_id")


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """DRF's EXCEPTION_HANDLER."""
    request = context["request"]
    return problem_response(error, getattr(request, "_request", request))


def translated(error: Exception) -> TaskMaprError:
    """The TaskMaprError that says what a client may know of this exception."""
    if isinstance(error, TaskMaprError):
        return error
    if is_connection_loss(error):
        return errors.DatabaseUnavailable()
    if is_nul_refused(error):
        return errors.InvalidInput("Texts must not contain the character NUL.")
    if isinstance(error, drf_errors.APIException) and (known := _of_drf(error)):
        return known
    kinds = (ours for kind, ours in _PLAIN if isinstance(error, kind))
    return next(kinds, TaskMaprError)()


def _of_drf(error: drf_errors.APIException) -> TaskMaprError | None:
    """Those that carry something worth telling."""
    match error:
        case drf_errors.ValidationError():
            return errors.InvalidInput.of(*_field_messages(error.detail))
        case drf_errors.Throttled():
            return errors.TooMany(retry_after_s=int(getattr(error, "wait", None) or 60))
        case drf_errors.MethodNotAllowed():
            return errors.MethodNotAllowed(str(error.detail))
    return None


def is_database_unavailable(error: Exception) -> bool:
    """True for everything that a client is told as `database_unavailable`."""
    return isinstance(translated(error), errors.DatabaseUnavailable)


def problem_of_status(status: int) -> TaskMaprError:
    """The most general error with that status; used for answers that carry no error."""
    general = (cls for cls in errors.error_classes() if cls.status == status)
    fallback = errors.InvalidRequest if status < 500 else TaskMaprError
    return next(general, fallback)()


def problem_in_place_of(response: HttpResponseBase, request: HttpRequest) -> HttpResponseBase:
    """The same answer, but as a problem when it is an error page made for browsers."""
    if response.status_code < 400 or not _is_page(response):
        return response
    problem = problem_response(problem_of_status(response.status_code), request)
    problem.status_code = response.status_code
    for name in ("Allow", "Retry-After", "WWW-Authenticate"):
        if name in response.headers:
            problem.headers[name] = response.headers[name]
    return problem


def _is_page(response: HttpResponseBase) -> bool:
    if response.streaming:
        return False
    kind = response.headers.get("Content-Type", "")
    return not kind or kind.startswith(("text/html", "text/plain"))


def _field_messages(detail: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """DRF's nested error lists and dicts as (dotted path, message) pairs."""
    match detail:
        case Mapping():
            for name, inner in detail.items():
                own = "" if name == "non_field_errors" else str(name)
                yield from _field_messages(inner, ".".join(part for part in (path, own) if part))
        case list() | tuple():
            for index, inner in enumerate(detail):
                nested = isinstance(inner, Mapping | list)
                yield from _field_messages(inner, f"{path}.{index}" if nested and path else path)
        case _:
            yield path or "body", str(detail)
