"""One connection with an MCP server, from its opening to its end."""

from __future__ import annotations

import asyncio
from typing import Final

from mcp import Client

from orchestration.adapters.mcp_transports import ErrorTail, transport_to
from taskmapr.core.ports import ToolServerAddress

CLOSE_S: Final = 10.0


class Session:
    """Its task enters and leaves the SDK's scopes."""

    def __init__(self, address: ToolServerAddress, *, mode: str) -> None:
        self._address = address
        self._mode = mode
        self._end = asyncio.Event()
        self._tail = ErrorTail()
        self._opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._task = asyncio.get_running_loop().create_task(
            self._hold(), name=f"mcp-{address.name}"
        )
        self.client: Client
        #: A call was given up: the server may not be listening any more.
        self.is_doubtful = False
        #: The server was started anew, or ended the session by itself.
        self.is_forgotten = False

    @property
    def is_open(self) -> bool:
        return not self._end.is_set() and not self._task.done()

    async def open(self) -> None:
        """Raises TimeoutError, or what the connection failed with."""
        async with asyncio.timeout(self._address.connect_timeout_s):
            self.client = await asyncio.shield(self._opened)

    def end(self) -> None:
        self._end.set()

    async def close(self) -> None:
        """The connection is closed, its process ended; cancelled if that takes too long."""
        self._end.set()
        if not self._opened.done():
            self._task.cancel()
        _, slow = await asyncio.wait([self._task], timeout=CLOSE_S / 2)
        for task in slow:
            task.cancel()
            await asyncio.wait([task], timeout=CLOSE_S / 2)

    @property
    def last_words(self) -> str:
        return self._tail.text.strip()[-200:]

    def _forgotten(self) -> None:
        self.is_forgotten = True

    async def _hold(self) -> None:
        transport = transport_to(
            self._address,
            on_end=self._end.set,
            on_forgotten=self._forgotten,
            tail=self._tail,
        )
        try:
            async with Client(transport, mode=self._mode, cache=None) as client:
                self._opened.set_result(client)
                await self._end.wait()
        except Exception as error:
            # Servers fail in every way that there is; whoever waits for this one is told.
            if not self._opened.done():
                self._opened.set_exception(error)
        finally:
            self._end.set()
            if not self._opened.done():
                self._opened.set_exception(ConnectionError("it was given up"))
            self._opened.exception()  # seen, also when nobody waits any more
