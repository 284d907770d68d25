"""Tools of MCP servers as tools of a run."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, cast

from agents_cfg.models import McpServer, Tool
from agents_cfg.selectors.mcp import mcp_address
from orchestration.prompts.hygiene import seen
from taskmapr.core import wired
from taskmapr.core.ports import ToolServerAddress
from taskmapr.core.tools import Danger, ToolContext, ToolSpec

USER_ID: Final = "user_id"


def mcp_tool_spec(tool: Tool, server: McpServer) -> ToolSpec:
    """The tool as a run may call it. Raises ValueError when it cannot be one."""
    return ToolSpec(
        name=tool.name,
        summary=seen(tool.summary),
        input_schema=_shown_schema(tool),
        handler=partial(_call, mcp_address(server), tool.remote_name, tool.inject_user_id),
        danger=cast("Danger", tool.danger),
        has_effect=tool.has_effect,
        needs_approval=tool.needs_approval,
        timeout_s=tool.timeout_s or server.call_timeout_s,
        cost_usd_micros=tool.cost_usd_micros or 0,
        cost_usd_micros_per_s=tool.cost_usd_micros_per_s or 0,
        is_foreign=True,
    )


def _shown_schema(tool: Tool) -> dict[str, Any]:
    """What a model is told. The user's id is not its business, but trying is no mistake."""
    schema = dict(tool.input_schema)
    if not tool.inject_user_id:
        return schema
    schema.pop("additionalProperties", None)
    shown = schema.get("properties", {})
    schema["properties"] = {k: v for k, v in shown.items() if k != USER_ID}
    schema["required"] = [name for name in schema.get("required", ()) if name != USER_ID]
    return schema


async def _call(
    address: ToolServerAddress,
    remote_name: str,
    injects_user_id: bool,
    context: ToolContext,
    args: dict[str, Any],
) -> Any:
    """A server that may know the user is told, beside the arguments, for whom and in which run."""
    if not injects_user_id:
        return await wired.ports().tool_servers().call(address, remote_name, args)
    trusted = {
        "taskmapr/user_id": context.user_id,
        "taskmapr/session_id": context.session_id,
        "taskmapr/run_id": context.run_id,
    }
    return await (
        wired.ports()
        .tool_servers()
        .call(address, remote_name, {**args, USER_ID: context.user_id}, meta=trusted)
    )
