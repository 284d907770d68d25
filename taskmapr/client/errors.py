"""What may go wrong, as classes: by status, with the server's own words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """The root of everything that this library raises."""


class NoAnswer(ClientError):
    """The server cannot be reached, or the connection broke. Whether it did something is not
    known."""


class NotUnderstood(ClientError):
    """What came back is no answer of TaskMapr's, though its status says that all went well: perhaps
    something in between answered. Whether the server did something is not known."""


class WaitedTooLong(ClientError):
    """The job or task goes on, but the time that was given to wait for it is over."""


class JobFailed(ClientError):
    """A job or task ended without success. `code` and `message` are those of its error."""

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.retryable = code, message, retryable


class WebhookRefused(ClientError):
    """A callback is not what it claims to be. Do not act on it; answer 400."""


class ApiError(ClientError):
    """The server answered with a problem (RFC 9457)."""

    def __init__(self, status: int, headers: Mapping[str, str], problem: Mapping[str, Any]) -> None:
        self.status = status
        #: Stable, for programs: `unknown_intent`, `rate_limited` and so on.
        self.code = str(problem.get("code") or "unknown")
        self.detail = str(problem.get("detail") or problem.get("title") or f"status {status}")
        self.details: Mapping[str, Any] = problem.get("details") or {}
        #: For those who operate the server.
        self.request_id = str(problem.get("request_id") or headers.get("x-request-id") or "")
        #: The job that failed, if one was begun.
        self.job_id: str | None = problem.get("job_id")
        self.retry_after_s = retry_after_of(headers)
        super().__init__(f"{status} {self.code}: {self.detail}")


class NotAuthenticated(ApiError):
    """401: no credentials, or not the right ones."""


class QuotaExceeded(ApiError):
    """402: `details["resets_at"]` says until when."""


class Forbidden(ApiError):
    """403: the credentials are valid and do not permit this."""


class NotFound(ApiError):
    """404: it is not there, or not yours."""


class Conflict(ApiError):
    """409: it does not fit the present state."""


class InvalidRequest(ApiError):
    """400, 413, 415, 422: the request has to be changed. `details["fields"]` may say where."""


class RateLimited(ApiError):
    """429: too many requests. `retry_after_s` says when to come back."""


class Unavailable(ApiError):
    """503: something that the request needs is down."""


class ServerFailed(ApiError):
    """Any other 5xx: the server, or what it asked, failed."""


_CLASSES: Mapping[int, type[ApiError]] = {
    400: InvalidRequest,
    401: NotAuthenticated,
    402: QuotaExceeded,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    429: RateLimited,
    503: Unavailable,
}


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The error that an answer stands for. A body that is no problem (a proxy's page) has no code
    and is not repeated."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = {}
    error = _CLASSES.get(status, ServerFailed if status >= 500 else ApiError)
    return error(status, headers, problem if isinstance(problem, dict) else {})


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait; None when the answer does not say."""
    text = headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() else None
