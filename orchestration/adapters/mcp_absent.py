"""What stands in for MCP sessions when there can be none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn

from taskmapr.core.errors import ToolServerUnavailable
from taskmapr.core.ports import ToolProgress, ToolServerAddress, ToolServerReport


class NoToolServers:
    """ToolServers of an installation without a client library: every server is away."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def check(
        self, addresses: Sequence[ToolServerAddress], *, at_once: Collection[int] = ()
    ) -> list[ToolServerReport]:
        return [
            ToolServerReport(server_id=address.server_id, problem=self._reason)
            for address in addresses
        ]

    async def call(
        self,
        address: ToolServerAddress,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        meta: Mapping[str, Any] | None = None,
        on_progress: ToolProgress | None = None,
        whole: bool = False,
    ) -> NoReturn:
        raise ToolServerUnavailable(f"{address.name}: {self._reason}")

    async def close(self) -> None:
        """Nothing is open."""
