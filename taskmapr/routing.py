"""The socket map, and the split between the two maps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from channels.routing import URLRouter
from django.urls import re_path

from orchestration.consumers.task import task_socket

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
#: Any, because servers and frameworks spell the types of ASGI differently.
Application = Callable[[Any, Any, Any], Awaitable[None]]


async def nowhere(scope: Message, receive: Receive, send: Send) -> None:
    """Refuses the handshake, which the client sees as 403."""
    await receive()
    await send({"type": "websocket.close"})


# Any: the library's router takes every application, Django's stubs know only views.
_routes: list[Any] = [
    re_path(r"^ws/task/(?P<task_id>[^/]+)/?$", task_socket),  # type: ignore[arg-type]
    re_path(r"", nowhere),  # type: ignore[arg-type]
]
sockets: Any = URLRouter(_routes)


def by_protocol(http: Application) -> Application:
    """Sockets go to the socket map, everything else to `http`.

    No coroutine of its own: a request pays for one look at its scope.
    """

    def split(scope: Message, receive: Receive, send: Send) -> Awaitable[None]:
        chosen: Application = sockets if scope["type"] == "websocket" else http
        return chosen(scope, receive, send)

    return split
