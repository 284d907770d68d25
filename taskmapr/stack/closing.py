"""SIGTERM ends open event streams at once, and tells their clients to come back."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from types import FrameType
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
#: Any, because servers and frameworks spell the types of ASGI differently.
Application = Callable[[Any, Any, Any], Awaitable[None]]

#: Milliseconds until a client should connect again: to another instance, or to the next one here.
_GOODBYE = b"retry: 1000\n\n"
#: Seconds that goodbyes may take before the server goes its own way.
_GOODBYES_S = 2.0


class ClosingStreams:
    """Wraps the application. On SIGTERM each open stream sees its client leave, as far as the
    application knows, and the client gets a last `retry:` line instead of a cut connection.

    Nothing is lost: what a stream shows is in the log, and a client resumes with its last id.
    The server's own handler of SIGTERM runs as before.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._open: set[_Stream] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closing = False
        self._all_left = asyncio.Event()
        self._leaving: asyncio.Future[None] | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._application(scope, receive, send)
        if self._loop is None:
            self._listen()
        stream = _Stream(receive, send, self._open)
        try:
            await self._application(scope, stream.receive, stream.send)
            await stream.say_goodbye()
        finally:
            self._open.discard(stream)
            if self._is_closing and not self._open:
                self._all_left.set()
        return None

    def _listen(self) -> None:
        """At the first request: the server has put its own handler in place by then."""
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is not threading.main_thread():
            return
        previous = signal.getsignal(signal.SIGTERM)

        def on_term(signum: int, frame: FrameType | None) -> None:
            loop = self._loop
            if loop is None or not loop.is_running() or self._is_closing:
                if callable(previous):
                    previous(signum, frame)
                return
            self._is_closing = True
            loop.call_soon_threadsafe(self._begin, lambda: on_term(signum, None))

        signal.signal(signal.SIGTERM, on_term)

    def _begin(self, then: Callable[[], None]) -> None:
        """The server's own handler comes after the goodbyes: some servers cut at once."""
        self._leaving = asyncio.ensure_future(self._leave(then))

    async def _leave(self, then: Callable[[], None]) -> None:
        for stream in tuple(self._open):
            stream.close()
        if self._open:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_left.wait(), _GOODBYES_S)
        then()


class _Stream:
    """One response; it enters `open_streams` when it turns out to be an event stream."""

    def __init__(self, receive: Receive, send: Send, open_streams: set[_Stream]) -> None:
        self._receive, self._send = receive, send
        self._open_streams = open_streams
        self._waiting: asyncio.Future[Message] | None = None
        self._is_closing = False
        self._is_finished = False

    def close(self) -> None:
        self._is_closing = True
        if self._waiting is not None:
            self._waiting.cancel()

    async def receive(self) -> Message:
        """What the client sends; its leaving when the stream is being closed."""
        self._waiting = asyncio.ensure_future(self._receive())
        try:
            return await self._waiting
        except asyncio.CancelledError:
            self._waiting.cancel()
            if self._is_closing:
                return {"type": "http.disconnect"}
            raise

    def send(self, message: Message) -> Awaitable[None]:
        """Not a coroutine itself: it would be one more for each token."""
        if message["type"] == "http.response.start":
            if _is_event_stream(message):
                self._open_streams.add(self)
        elif not message.get("more_body", False):
            self._is_finished = True
        return self._send(message)

    async def say_goodbye(self) -> None:
        if self._is_closing and not self._is_finished:
            last = {"type": "http.response.body", "body": _GOODBYE, "more_body": False}
            await self._send(last)


def _is_event_stream(message: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in message.get("headers", ())
    )
