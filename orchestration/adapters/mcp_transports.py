"""The three ways to an MCP server, each with a word when its stream ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import httpx2
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import MCP_SESSION_ID, streamable_http_client

from taskmapr.core.ports import ToolServerAddress

Streams = tuple[Any, Any]

#: Seconds of silence after the longest call until an HTTP response is given up: a server that
#: ignores cancellations would keep connections for ever.
_SILENCE_S: Final = 60.0
#: Characters of a program's error output that are kept for people.
_TAIL_LENGTH: Final = 600


def transport_to(
    address: ToolServerAddress,
    *,
    on_end: Callable[[], None],
    on_forgotten: Callable[[], None],
    tail: ErrorTail,
) -> AbstractAsyncContextManager[Streams]:
    """Streams to this server. on_end: called when it will send nothing any more.

    on_forgotten: called when it refuses a message because it does not know the session. tail: takes
    the last error output of a stdio server. Raises what the SDK's transports raise.
    """
    if address.transport == "stdio":
        return _watched(_stdio(address, tail), on_end)
    if address.transport == "sse":
        return _watched(_sse(address), on_end)
    return _watched(_streamable_http(address, on_forgotten), on_end)


def _sse(address: ToolServerAddress) -> AbstractAsyncContextManager[Streams]:
    return sse_client(
        address.url,
        headers=dict(address.headers),
        timeout=address.call_timeout_s,
        # Servers send a comment every few seconds; one that does not is asked again after a call.
        sse_read_timeout=3600.0,
    )


@asynccontextmanager
async def _streamable_http(
    address: ToolServerAddress, on_forgotten: Callable[[], None]
) -> AsyncIterator[Streams]:
    async def look_at(response: httpx2.Response) -> None:
        # The protocol says 404; servers are known that say 400. Their words differ.
        if response.status_code in (400, 404) and MCP_SESSION_ID in response.request.headers:
            on_forgotten()

    silence_s = address.call_timeout_s + _SILENCE_S
    client = httpx2.AsyncClient(
        headers=dict(address.headers),
        timeout=httpx2.Timeout(silence_s, connect=address.connect_timeout_s, pool=None),
        # One call too many must wait for its own deadline, not end the session for all.
        event_hooks={"response": [look_at]},
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
    )
    async with client, streamable_http_client(address.url, http_client=client) as streams:
        yield streams


@asynccontextmanager
async def _stdio(address: ToolServerAddress, tail: ErrorTail) -> AsyncIterator[Streams]:
    """A program of its own; it sees PATH, HOME and the like, and what the address gives it."""
    params = StdioServerParameters(
        command=address.command, args=list(address.args), env=dict(address.env)
    )
    async with tail.open() as error_output, stdio_client(params, errlog=error_output) as streams:
        yield streams


class ErrorTail(asyncio.Protocol):
    """Keeps the end of what a program writes to its error output."""

    def __init__(self) -> None:
        self.text = ""

    def data_received(self, data: bytes) -> None:
        self.text = (self.text + data.decode(errors="replace"))[-_TAIL_LENGTH:]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Any]:
        """A file for the program. A worker's own stderr may be no file, and is not the place."""
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb", 0) as source, os.fdopen(writing, "w") as sink:
            pipe, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: self, source)
            try:
                yield sink
            finally:
                pipe.close()


class _WatchedStream:
    """A read stream that says when it has ended."""

    def __init__(self, stream: Any, on_end: Callable[[], None]) -> None:
        self._stream = stream
        self._on_end = on_end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __aiter__(self) -> _WatchedStream:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except StopAsyncIteration:
            self._on_end()
            raise

    async def __aenter__(self) -> _WatchedStream:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *failure: Any) -> Any:
        return await self._stream.__aexit__(*failure)


@asynccontextmanager
async def _watched(
    transport: AbstractAsyncContextManager[Streams], on_end: Callable[[], None]
) -> AsyncIterator[Streams]:
    async with transport as (reading, writing):
        yield _WatchedStream(reading, on_end), writing
