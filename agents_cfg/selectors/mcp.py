"""MCP servers: which there are, how they are reached, how they are."""

from __future__ import annotations

from typing import Final, Literal

from django.conf import settings

from agents_cfg.models import McpServer, McpServerState
from taskmapr.core.ports import ToolServerAddress

McpState = Literal["available", "unavailable", "not configured"]

#: Name of the row that MCP_BASE_URL keeps.
ENVIRONMENT_SERVER: Final = "base"


def mcp_state() -> McpState:
    """How the enabled servers are, as they were found last: one that is away makes it
    `unavailable`."""
    states = set(McpServer.objects.filter(is_enabled=True).values_list("state", flat=True))
    if not states:
        # Its row is made by the first worker.
        return "unavailable" if settings.TASKMAPR["mcp_base_url"] else "not configured"
    return "available" if states == {McpServerState.AVAILABLE} else "unavailable"


def mcp_addresses() -> list[ToolServerAddress]:
    """How each enabled server is reached, secrets included: for the tool servers port only."""
    return [mcp_address(server) for server in McpServer.objects.filter(is_enabled=True)]


def mcp_address(server: McpServer) -> ToolServerAddress:
    return ToolServerAddress(
        server_id=server.pk,
        name=server.name,
        transport=server.transport,
        url=server.url,
        command=server.command,
        args=tuple(server.args),
        env=lines_read(server.env, "="),
        headers=lines_read(server.headers, ":"),
        connect_timeout_s=server.connect_timeout_s,
        call_timeout_s=server.call_timeout_s,
    )


def lines_read(text: str, separator: str) -> dict[str, str]:
    """Lines of name, separator and value; all others are left out."""
    pairs = (line.partition(separator) for line in text.splitlines())
    return {name.strip(): value.strip() for name, found, value in pairs if found and name.strip()}
