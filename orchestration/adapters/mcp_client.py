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
from orchestration.adapters.mcp_session import CLOSE_S
from taskmapr.core.ports import ToolServerAddress, ToolServerReport

# What goes wrong with a server is told once, by whoever notices that its state changed.
for _name in ("mcp", "httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class McpSessions:
    """Fulfils `taskmapr.core.ports.ToolServers`."""

    def __init__(self) -> None:
        self._keepers: dict[int, Keeper] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    async def check(
        self, addresses: Sequence[ToolServerAddress], *, at_once: Collection[int] = ()
    ) -> list[ToolServerReport]:
        wanted = {address.server_id for address in addresses}
        for server_id in self._keepers.keys() - wanted:
            self._leave(server_id)
        reports = (self._keeper(a).report(at_once=a.server_id in at_once) for a in addresses)
        return list(await asyncio.gather(*reports))

    async def call(
        self,
        address: ToolServerAddress,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        meta: Mapping[str, Any] | None = None,
    ) -> Any:
        return await self._keeper(address).call(tool, dict(arguments), dict(meta or {}))

    async def close(self) -> None:
        for server_id in list(self._keepers):
            self._leave(server_id)
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=CLOSE_S)

    def _keeper(self, address: ToolServerAddress) -> Keeper:
        keeper = self._keepers.get(address.server_id)
        if keeper is None or keeper.address != address:
            self._leave(address.server_id)
            keeper = self._keepers[address.server_id] = Keeper(address)
        return keeper

    def _leave(self, server_id: int) -> None:
        keeper = self._keepers.pop(server_id, None)
        if keeper is not None:
            task = asyncio.get_running_loop().create_task(keeper.close())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
