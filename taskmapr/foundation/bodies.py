"""The limit on request bodies, where they are read: before Django holds any of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from django.conf import settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

#: Keys of the ASGI scope that `foundation.middleware.EdgeMiddleware` reads.
TOO_LARGE: Final = "taskmapr.body_too_large"
BODY_BYTES: Final = "taskmapr.body_bytes"
#: More than any length needs, and few enough for `int`.
_LENGTH_DIGITS: Final = 19
_CUT: Final[Message] = {"type": "http.request", "body": b"", "more_body": False}


def body_limited(app: App) -> App:
    """Stop reading a body at `TASKMAPR["max_body_bytes"]`, declared or counted.

    What lies beyond is never read. The application gets an empty body and a mark in the scope, so
    that the refusal passes every middleware (request id, CORS) like any other error.
    """

    async def limited(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            receive = _counting(scope, receive)
        await app(scope, receive, send)

    return limited


def _counting(scope: MutableMapping[str, Any], receive: Receive) -> Receive:
    ours: Any = settings.TASKMAPR
    most: int = ours["max_body_bytes"]
    scope[BODY_BYTES] = 0
    if _declared(scope) > most:
        scope[TOO_LARGE] = True
    told = False

    def cut() -> Message:
        nonlocal told
        scope[TOO_LARGE] = told = True
        return dict(_CUT)

    async def counted() -> Message:
        if told:
            # Only a disconnect may follow. To wait for one would mean to read on; the answer that
            # is being sent is short, and ends this wait.
            await asyncio.Event().wait()
        if scope.get(TOO_LARGE):
            return cut()
        message = await receive()
        if message["type"] == "http.request":
            scope[BODY_BYTES] += len(message.get("body", b""))
        return cut() if scope[BODY_BYTES] > most else message

    return counted


def _declared(scope: MutableMapping[str, Any]) -> int:
    """0 without a length that can be one: such a body is counted, and then refused."""
    value = next((v for k, v in scope["headers"] if k == b"content-length"), b"")
    return int(value) if value.isdigit() and len(value) <= _LENGTH_DIGITS else 0
