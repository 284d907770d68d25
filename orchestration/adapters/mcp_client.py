"""Sessions with MCP servers over the official SDK.

The SDK ends a session when its connection does, and makes no new one: an HTTP server that forgot
its sessions refuses them for ever, a program that died stays dead. So each server has a session
that is opened when it is wanted and replaced when it is found broken. The SDK's task groups must be
left by the task that entered them: every session is owned by one task, and calls are made beside
it, in the tasks of their callers. Importing this module takes a second: worker processes only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from orchestration.adapters.mcp_keeper import Keeper
from orchestration.adapters.mcp_results import result_json, result_whole
from orchestration.adapters.mcp_session import CLOSE_S
from taskmapr.core.ports import ToolProgress, ToolServerAddress, ToolServerReport

# What goes wrong with a server is told once, by whoever notices that its state changed.
for _name in ("mcp", "httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class McpSessions:
    """Fulfils `taskmapr.core.ports.ToolServers`."""

    def __init__(self) -> None:
        #: Of one server two at most: runs that began before it was changed go on with its old
        #: address, and must not take the session away from those that know the new one.
        self._keepers: list[Keeper] = []
        self._leaving: set[asyncio.Task[None]] = set()

    async def check(
        self, addresses: Sequence[ToolServerAddress], *, at_once: Collection[int] = ()
    ) -> list[ToolServerReport]:
        for keeper in [k for k in self._keepers if k.address not in addresses]:
            self._leave(keeper)
        reports = (self._keeper(a).report(at_once=a.server_id in at_once) for a in addresses)
        return list(await asyncio.gather(*reports))

    async def call(
        self,
        address: ToolServerAddress,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        meta: Mapping[str, Any] | None = None,
        on_progress: ToolProgress | None = None,
        whole: bool = False,
    ) -> Any:
        keeper = self._keeper(address)
        result = await keeper.call(tool, dict(arguments), dict(meta or {}), on_progress)
        return result_whole(result) if whole else result_json(result)

    async def close(self) -> None:
        for keeper in list(self._keepers):
            self._leave(keeper)
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=CLOSE_S)

    def _keeper(self, address: ToolServerAddress) -> Keeper:
        same = [k for k in self._keepers if k.address.server_id == address.server_id]
        if found := next((k for k in same if k.address == address), None):
            return found
        for keeper in same[:-1]:
            self._leave(keeper)
        self._keepers.append(Keeper(address))
        return self._keepers[-1]

    def _leave(self, keeper: Keeper) -> None:
        self._keepers.remove(keeper)
        task = asyncio.get_running_loop().create_task(keeper.close())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
