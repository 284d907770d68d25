"""What a provider's refusal means, in our errors.

Providers quote keys and prompts in their messages, so of a message only its meaning is kept, and of
`code` and `param` only what looks like an identifier.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from taskmapr.core.errors import (
    ModelAuthFailed,
    ModelFailed,
    ModelRefusedContext,
    ModelRequestRefused,
)
from taskmapr.foundation.http import retries

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_.\-\[\]]{1,64}")
_TOO_LONG: Final = re.compile(
    r"context.?(length|window|size)|maximum context|too many (input )?tokens|prompt is too long"
    r"|input is too long|exceeds? .{0,40}(context|token limit)",
    re.IGNORECASE,
)
_UNSUPPORTED: Final = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|not permitted|extra inputs", re.IGNORECASE
)
_QUOTED: Final = re.compile(r"['\"`]([a-z_]{3,40})['\"`]")
#: Statuses after which the same request may succeed: timeout, lock, too early, too many.
_PASSING: Final = frozenset({408, 409, 425, 429})


def failure_of_status(
    status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> ModelFailed:
    """The error for an answer with this HTTP status."""
    return failure_of_error(status, _error_member(body), retry_after_s(headers or {}))


def failure_of_error(
    status: int, error: Mapping[str, Any], wait_s: float | None = None
) -> ModelFailed:
    """The error for a status and the provider's `error` object."""
    if status in (401, 403):
        return ModelAuthFailed()
    if status == 413 or _is_too_long(error):
        return ModelRefusedContext()
    if status in _PASSING or status >= 500:
        return ModelFailed(
            f"The language model's provider answered with status {status}.",
            retry_after_s=wait_s,
            is_outage=status >= 500,
        )
    named = [f"status {status}"] + [
        f"{label} {value}"
        for label, value in (("code", error.get("code")), ("parameter", error.get("param")))
        if isinstance(value, str) and _IDENTIFIER.fullmatch(value)
    ]
    return ModelRequestRefused(
        f"The language model's provider refused the request ({', '.join(named)})."
    )


def failure_in_stream(error: Any) -> ModelFailed:
    """The error for an `error` object that came in the middle of an answer."""
    known = error if isinstance(error, Mapping) else {}
    code = known.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return failure_of_error(status, known)


def refused_parameter(status: int, body: bytes) -> str | None:
    """The request member that a 400 or 422 calls unsupported, if it names one."""
    if status not in (400, 422):
        return None
    error = _error_member(body)
    message, param = str(error.get("message") or ""), error.get("param")
    if not _UNSUPPORTED.search(f"{error.get('code')} {message}"):
        return None
    if isinstance(param, str) and _IDENTIFIER.fullmatch(param):
        return param
    quoted = _QUOTED.search(message)
    return quoted.group(1) if quoted else None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds asked for by Retry-After (RFC 9110, section 10.2.3) or OpenAI's retry-after-ms."""
    milliseconds = headers.get("retry-after-ms", "")
    if milliseconds.isdecimal():
        return int(milliseconds) / 1000
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        return retries.retry_after_s(value)


def _is_too_long(error: Mapping[str, Any]) -> bool:
    message = str(error.get("message") or "")
    return error.get("code") == "context_length_exceeded" or bool(_TOO_LONG.search(message))


def _error_member(body: bytes) -> Mapping[str, Any]:
    """`{"error": {...}}`, `{"error": "text"}` (Ollama) or `{"message": ...}` (vLLM) as one."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(value, dict):
        return {}
    error = value.get("error", value)
    return error if isinstance(error, dict) else {"message": str(error)}
