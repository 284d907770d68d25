"""Tools of MCP servers as intents: which one a name means, and calling it."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from agents_cfg.models import McpServer, Tool, ToolDanger
from agents_cfg.selectors.mcp import mcp_address
from agents_cfg.selectors.tools import KnownTools, tools_known
from orchestration.tools.flows import CallAttempt, CallContext
from orchestration.tools.mcp import USER_ID, mcp_tool_spec
from taskmapr.core import wired
from taskmapr.core.errors import (
    AmbiguousIntent,
    McpUnavailable,
    OutcomeUnknown,
    TaskMaprError,
    TimedOut,
    ToolCallFailed,
    ToolNotAllowed,
    ToolReportedError,
    ToolServerUnavailable,
    UnknownIntent,
)
from taskmapr.core.timestamps import timestamp_of
from taskmapr.core.tools import ToolSpec
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.http.breakers import circuit, is_failure
from taskmapr.foundation.http.retries import RetryPolicy

logger = logging.getLogger(__name__)

TOOLS: Final = "mcp.tools"
SERVERS: Final = "mcp.servers"
#: `mcp.<server>.<tool>` and `mcp:<server>/<tool>`; also the registry's own `mcp:<server>.<tool>`.
_NAME: Final = re.compile(r"mcp[.:](?P<server>[a-z0-9][a-z0-9_-]*)[./](?P<tool>.+)")
_RETRIES: Final = RetryPolicy()

#: Hears (percent or None when the end is not known, text).
Progress = Callable[[float | None, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class McpTarget:
    """What an intent means: one tool of a server, or a list."""

    kind: Literal["tool", "tools", "servers"]
    #: The full name: `mcp:<server>/<tool>`, or that of the list.
    name: str
    tool: Tool | None = None
    server: McpServer | None = None

    @property
    def spec(self) -> ToolSpec | None:
        """As runs call it: schema, danger, limits."""
        if self.tool is None or self.server is None:
            return None
        return mcp_tool_spec(self.tool, self.server)


# Choosing ----------------------------------------------------------------------------------------


def mcp_resolve(
    intent: str, known: KnownTools, may_use: Callable[[str], bool] = lambda name: True
) -> McpTarget | None:
    """What an intent means among these tools. Pure. None: it is no name of ours.

    `may_use`: of which tools, by their full names, whoever asks may be told. Raises UnknownIntent
    (no such server), ToolNotAllowed (the server is there, and operators allow no such tool of it)
    and AmbiguousIntent (a bare name that several servers have).
    """
    if intent == TOOLS:
        return McpTarget(kind="tools", name=TOOLS)
    if intent == SERVERS:
        return McpTarget(kind="servers", name=SERVERS)
    if intent.startswith(("mcp.", "mcp:")):
        return _named(intent, known)
    return _bare(intent, known, may_use)


def _named(intent: str, known: KnownTools) -> McpTarget:
    parts = _NAME.fullmatch(intent)
    name = parts["server"] if parts else ""
    server = next((server for server in known.servers if server.name == name), None)
    if parts is None or server is None:
        raise UnknownIntent(f"There is no MCP server of this name: {intent}")
    for tool in known.of_servers:
        if tool.server_id == server.pk and tool.remote_name == parts["tool"]:
            return _target(tool, server)
    raise ToolNotAllowed(f"Operators allow no tool {parts['tool']!r} of the server {name}.")


def _bare(intent: str, known: KnownTools, may_use: Callable[[str], bool]) -> McpTarget | None:
    found = [tool for tool in known.of_servers if tool.remote_name == intent]
    if len(found) > 1:
        names = (_full_name(tool, tool.server) for tool in found if tool.server)
        choices = sorted(filter(may_use, names))
        raise AmbiguousIntent(
            f"Several servers have a tool {intent!r}: {', '.join(choices) or 'name one in full'}.",
            details={"choices": choices},
        )
    if not found or found[0].server is None:
        return None
    return _target(found[0], found[0].server)


def _target(tool: Tool, server: McpServer) -> McpTarget:
    return McpTarget(kind="tool", name=_full_name(tool, server), tool=tool, server=server)


def _full_name(tool: Tool, server: McpServer) -> str:
    return f"mcp:{server.name}/{tool.remote_name}"


def mcp_tools_listed(known: KnownTools) -> dict[str, Any]:
    """The result of `mcp.tools`: what may be called, with schemas."""
    tools = [
        {
            "name": _full_name(tool, tool.server),
            "server": tool.server.name,
            "tool": tool.remote_name,
            "description": tool.summary,
            "inputs_schema": tool.input_schema,
            "danger": tool.danger,
        }
        for tool in known.of_servers
        if tool.server is not None
    ]
    return {"tools": sorted(tools, key=lambda tool: str(tool["name"])), "count": len(tools)}


def mcp_servers_listed(known: KnownTools) -> dict[str, Any]:
    """The result of `mcp.servers`: how the enabled servers were found last."""
    servers = [
        {
            "name": server.name,
            "state": server.state,
            "transport": server.transport,
            "software": server.software,
            "checked_at": timestamp_of(server.checked_at) if server.checked_at else None,
            "tools": sum(tool.server_id == server.pk for tool in known.of_servers),
        }
        for server in known.servers
    ]
    return {"servers": servers, "count": len(servers)}


# Calling -----------------------------------------------------------------------------------------


async def mcp_call(
    intent: str,
    inputs: Mapping[str, Any],
    *,
    job_id: str,
    progress: Progress = lambda percent, text: None,
    user_id: str = "",
    ctx: CallContext | None = None,
) -> dict[str, Any]:
    """Do what the intent says and give its result: {content, structured, is_error} of a tool, or
    the list that was asked for.

    `user_id`: for tools that are told for whom they work. `ctx`: the run's deadline, and who hears
    of failed attempts. Raises what `mcp_resolve` raises, InvalidInput, ToolReportedError (the tool
    failed), McpUnavailable, CircuitOpen, TimedOut, and OutcomeUnknown when a tool that changes
    something was called and its answer was lost.
    """
    known = await in_database(tools_known)
    target = mcp_resolve(intent, known)
    match target:
        case McpTarget(kind="tools"):
            return mcp_tools_listed(known)
        case McpTarget(kind="servers"):
            return mcp_servers_listed(known)
        case McpTarget(tool=Tool() as tool, server=McpServer() as server):
            pass
        case _:
            raise UnknownIntent(f"No MCP server has a tool {intent!r}.")
    spec = mcp_tool_spec(tool, server)
    spec.check(dict(inputs))
    call = _Call(tool, server, dict(inputs), job_id, progress, user_id)
    limit_s = spec.timeout_s if ctx is None else min(spec.timeout_s, ctx.left_s)
    try:
        async with (
            circuit(f"mcp:{server.name}", within_s=limit_s, counts=_counts),
            asyncio.timeout(limit_s),
        ):
            return await _persist(call, limit_s, ctx)
    except TimeoutError:
        raise TimedOut(f"{target.name} did not answer within {limit_s:g} s.") from None


@dataclass(slots=True)
class _Call:
    tool: Tool
    server: McpServer
    inputs: dict[str, Any]
    job_id: str
    progress: Progress
    user_id: str

    async def make(self) -> dict[str, Any]:
        inputs, meta = self.inputs, None
        if self.tool.inject_user_id:
            inputs = {**inputs, USER_ID: self.user_id}
            meta = {"taskmapr/user_id": self.user_id, "taskmapr/job_id": self.job_id}
        result: dict[str, Any] = await (
            wired.ports()
            .tool_servers()
            .call(
                mcp_address(self.server),
                self.tool.remote_name,
                inputs,
                meta=meta,
                on_progress=self.told,
                whole=True,
            )
        )
        return result

    def told(self, done: float, total: float | None, text: str) -> None:
        self.progress(min(100.0, 100 * done / total) if total else None, text)

    @property
    def only_reads(self) -> bool:
        return self.tool.danger == ToolDanger.READ and not self.tool.has_effect


async def _persist(call: _Call, limit_s: float, ctx: CallContext | None) -> dict[str, Any]:
    """Try again what did not begin; of what may have begun, only tools that read."""
    clock = asyncio.get_running_loop().time
    until, number = clock() + limit_s, 0
    while True:
        number += 1
        logger.info("job %s: mcp:%s, attempt %d", call.job_id, call.server.name, number)
        try:
            return await call.make()
        except (ToolServerUnavailable, ToolCallFailed) as failure:
            delay_s = None
            if _may_repeat(call, failure):
                delay_s = _RETRIES.delay_s(number, left_s=until - clock())
            error = _told(call, failure)
            if ctx is not None:
                ctx.attempt_failed(CallAttempt(number=number, error=error, delay_s=delay_s))
            if delay_s is None:
                raise error from None
        await asyncio.sleep(delay_s)


def _may_repeat(call: _Call, failure: TaskMaprError) -> bool:
    if isinstance(failure, OutcomeUnknown):
        return call.only_reads
    return isinstance(failure, ToolServerUnavailable)


def _told(call: _Call, failure: TaskMaprError) -> TaskMaprError:
    """The same in the words of intents."""
    if isinstance(failure, OutcomeUnknown) and not call.only_reads:
        return failure
    if isinstance(failure, ToolServerUnavailable | OutcomeUnknown):
        return McpUnavailable(f"{call.server.name}: {failure.detail}")
    return ToolReportedError(failure.detail)


def _counts(error: BaseException) -> bool:
    """A tool that says that it failed was reached."""
    return is_failure(error) and not isinstance(error, ToolReportedError)
