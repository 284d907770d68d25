"""`http_request`: one request to a server on the internet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import orjson

from taskmapr.core.errors import UpstreamError
from taskmapr.core.task_types import Permanent, Retryable, TaskContext, task
from taskmapr.foundation.http.exchange import Answer, guarded_request
from taskmapr.foundation.http.guard import egress_policy
from taskmapr.foundation.http.retries import is_retried, retry_after_s

ANSWER_BYTES: Final = 512 * 1024
DEADLINE_S: Final = 60.0

_SCHEMA: Final = {
    "type": "object",
    "required": ["url"],
    "additionalProperties": False,
    "properties": {
        "method": {"enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], "default": "GET"},
        "url": {"type": "string", "maxLength": 4000},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "body": {"description": "Text is sent as it is, anything else as JSON."},
    },
}


@task(
    "http_request",
    _SCHEMA,
    title="HTTP request",
    description="Sends one request to a server on the internet and gives back what it answers.",
    example={"url": "https://example.org/"},
    danger="write",
    max_retries=3,
)
async def http_request(params: dict[str, Any], ctx: TaskContext) -> dict[str, Any]:
    return await request_send(params, ctx)


async def request_send(
    params: Mapping[str, Any], ctx: TaskContext, *, secrets: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The answer: {status, headers, body, truncated}; `body` is JSON where the answer is.

    secrets: header → name in the secret store. Answers that ask for patience, and failures before
    anything was sent, are retryable; other answers of 400 and above are `upstream_error`.
    """
    method, body = params.get("method", "GET"), params.get("body")
    headers = {**(params.get("headers") or {})}
    sent = body.encode() if isinstance(body, str) else b"" if body is None else orjson.dumps(body)
    if body is not None and not isinstance(body, str):
        headers.setdefault("Content-Type", "application/json")
    for header, name in (secrets or {}).items():
        headers[header] = await asyncio.to_thread(ctx.secret, name)
    ctx.log("info", f"{method} {params['url']}")
    try:
        answer = await guarded_request(
            method,
            params["url"],
            policy=egress_policy(),
            deadline_s=DEADLINE_S,
            headers=headers,
            body=sent,
            answer_bytes=ANSWER_BYTES,
        )
    except UpstreamError as error:
        raise _unanswered(method, error) from error
    ctx.log("info", f"answered {answer.status}")
    _check(method, answer)
    return {
        "status": answer.status,
        "headers": dict(answer.headers),
        "body": _read(answer),
        "truncated": answer.is_cut,
    }


def _unanswered(method: str, error: UpstreamError) -> Exception:
    if method in {"GET", "HEAD"} or not error.details.get("sent"):
        return Retryable(error.detail)
    return Permanent("outcome_unknown", f"{error.detail} It may have been carried out.")


def _check(method: str, answer: Answer) -> None:
    if answer.status < 400:
        return
    message = f"The server answered {answer.status}."
    if is_retried(answer.status) and (answer.status in {429, 503} or method in {"GET", "HEAD"}):
        raise Retryable(message, after_s=retry_after_s(answer.headers.get("retry-after")))
    raise Permanent("upstream_error", message)


def _read(answer: Answer) -> Any:
    if "json" in answer.headers.get("content-type", "") and not answer.is_cut:
        try:
            return orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            return answer.text
    return answer.text
