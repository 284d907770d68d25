"""One MCP server: its session, replaced when it breaks, and when it is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, NoReturn, TypeVar, cast

import anyio
import httpx2
from mcp import Client, MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    REQUEST_TIMEOUT,
    CallToolResult,
)
from pydantic import ValidationError

from orchestration.adapters.mcp_failures import reason_of, without_secrets
from orchestration.adapters.mcp_results import error_text
from orchestration.adapters.mcp_session import Session
from orchestration.page.text import storable, storable_json
from taskmapr.core.errors import OutcomeUnknown, ToolCallFailed, ToolServerUnavailable
from taskmapr.core.ports import FoundTool, ToolProgress, ToolServerAddress, ToolServerReport

#: Seconds until a server that could not be reached is tried again: the first time, and at most.
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
MAX_PAGES: Final = 20
MAX_TOOLS: Final = 500

T = TypeVar("T")

CALL_ERRORS = (
    MCPError,
    ValidationError,
    RuntimeError,
    OSError,
    httpx2.HTTPError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
)

#: The SDK itself answers with these when a request was sent and no answer to it could be read: a
#: proxy's 502, a page instead of JSON, a stream that broke. From a server they may mean as little.
_NO_ANSWER: Final = frozenset(
    {CONNECTION_CLOSED, REQUEST_TIMEOUT, PARSE_ERROR, INTERNAL_ERROR, INVALID_REQUEST}
)


class Keeper:
    """One server: its session, and how long it is left alone after a failure."""

    def __init__(self, address: ToolServerAddress) -> None:
        self.address = address
        self._session: Session | None = None
        self._connecting = asyncio.Lock()
        self._failures = 0
        self._try_again_at = 0.0
        self._problem = ""
        self._mode = "auto"
        self._ending: set[asyncio.Task[None]] = set()

    async def report(self, *, at_once: bool) -> ToolServerReport:
        """See ToolServers.check."""
        if at_once:
            self._try_again_at = 0.0
        server_id = self.address.server_id
        try:
            async with asyncio.timeout(3 * self.address.connect_timeout_s):
                return await self._on_session(partial(_report_of, server_id))
        except ToolServerUnavailable as error:
            return ToolServerReport(server_id=server_id, problem=error.detail)
        except (*CALL_ERRORS, TimeoutError) as error:
            self._drop(self._session)
            return ToolServerReport(server_id=server_id, problem=self._words_for(error))

    async def call(
        self,
        tool: str,
        arguments: dict[str, Any],
        meta: dict[str, Any],
        on_progress: ToolProgress | None = None,
    ) -> CallToolResult:
        """See ToolServers.call; the result is not an error's."""
        try:
            result = await self._on_session(partial(_call, tool, arguments, meta, on_progress))
        except CALL_ERRORS as error:
            raise self._failure(error) from None
        if result.is_error:
            raise ToolCallFailed(without_secrets(error_text(result), self.address))
        return result

    def _failure(self, error: Exception) -> ToolCallFailed:
        """What a call is said to have ended with that raised this."""
        if isinstance(error, MCPError) and error.code not in _NO_ANSWER:
            return ToolCallFailed(self._words_for(error))
        reason = self._words_for(error)
        if isinstance(error, MCPError) and error.code == CONNECTION_CLOSED:
            reason = f"The connection to {self.address.name} broke during the call"
        return OutcomeUnknown(f"{reason.rstrip('.')}. Whether it took effect is unknown.")

    async def _on_session(self, use: Callable[[Session], Awaitable[T]]) -> T:
        session = await self._usable()
        try:
            return await use(session)
        except asyncio.CancelledError:
            session.is_doubtful = True
            raise
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                self._drop(session)
                raise
            if not session.is_forgotten:
                raise
        # The server was started anew and refuses the session of before: nothing was carried out.
        return await use(await self._usable())

    async def _usable(self) -> Session:
        """An open session. Raises ToolServerUnavailable."""
        async with self._connecting:
            session = self._session
            if session is not None and session.is_doubtful and session.is_open:
                await self._probe(session)
            if session is None or not session.is_open or session.is_forgotten:
                session = self._session = await self._opened()
            return session

    async def _probe(self, session: Session) -> None:
        """A server that did not answer a call must answer this, or its session is over."""
        try:
            async with asyncio.timeout(self.address.connect_timeout_s):
                await session.client.list_tools(cache_mode="bypass")
        except (*CALL_ERRORS, TimeoutError):
            self._drop(session)
        else:
            session.is_doubtful = False

    async def _opened(self) -> Session:
        now = _now()
        if now < self._try_again_at:
            raise ToolServerUnavailable(self._problem)
        self._drop(self._session)
        session = Session(self.address, mode=self._mode)
        try:
            await session.open()
        except asyncio.CancelledError:
            self._end(session)
            raise
        except Exception as error:
            self._failed(session, error)
        self._failures, self._problem, self._try_again_at = 0, "", 0.0
        return session

    def _failed(self, session: Session, error: Exception) -> NoReturn:
        """Raises ToolServerUnavailable, and leaves the server alone for a while."""
        self._end(session)
        if isinstance(error, TimeoutError):
            # Some old servers never answer the question for new revisions.
            self._mode = "legacy" if self._mode == "auto" else "auto"
        pause_s = min(FIRST_PAUSE_S * 2**self._failures, LONGEST_PAUSE_S)
        self._failures = min(self._failures + 1, 10)
        self._try_again_at = _now() + pause_s
        self._problem = self._words_for(error, session.last_words)
        raise ToolServerUnavailable(self._problem) from None

    def _words_for(self, error: BaseException, last_words: str = "") -> str:
        reason = reason_of(error, self.address)
        said = f"; it said: {last_words}" if last_words else ""
        return storable(without_secrets(f"{reason}{said}", self.address), 600)

    def _drop(self, session: Session | None) -> None:
        """Another call may have replaced it meanwhile: that one stays."""
        if session is not None and session is self._session:
            self._end(session)
            self._session = None

    def _end(self, session: Session) -> None:
        session.end()
        task = asyncio.get_running_loop().create_task(session.close())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        self._drop(self._session)
        if self._ending:
            await asyncio.wait(self._ending)


async def _call(
    tool: str,
    arguments: dict[str, Any],
    meta: dict[str, Any],
    on_progress: ToolProgress | None,
    session: Session,
) -> CallToolResult:
    async def told(progress: float, total: float | None, message: str | None) -> None:
        if on_progress is not None:
            on_progress(progress, total, storable(message or "", 500))

    return await session.client.call_tool(
        tool,
        arguments,
        progress_callback=told if on_progress is not None else None,
        meta=cast("Any", meta or None),
    )


async def _report_of(server_id: int, session: Session) -> ToolServerReport:
    client = session.client
    info = client.server_info
    return ToolServerReport(
        server_id=server_id,
        revision=client.protocol_version,
        software=storable(f"{info.name} {info.version}", 200) if info else "",
        tools=await _tools_of(client),
    )


async def _tools_of(client: Client) -> list[FoundTool]:
    tools: list[FoundTool] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await client.list_tools(cursor=cursor, cache_mode="bypass")
        tools += [
            FoundTool(
                name=storable(tool.name, 200),
                summary=storable(tool.description or tool.title or "", 10_000),
                input_schema=storable_json(tool.input_schema),
                is_read_only=tool.annotations.read_only_hint if tool.annotations else None,
                is_destructive=tool.annotations.destructive_hint if tool.annotations else None,
            )
            for tool in page.tools
        ]
        cursor = page.next_cursor
        if not cursor:
            break
    return tools[:MAX_TOOLS]


def _now() -> float:
    return asyncio.get_running_loop().time()
