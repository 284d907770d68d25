"""Writing down what was found at MCP servers: their state and their tools."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import jsonschema
import orjson
from django.conf import settings
from django.db import transaction

from agents_cfg.models import McpServer, McpServerState, Tool, ToolDanger
from agents_cfg.selectors.profiles import profiles_forget
from agents_cfg.services.tools import danger_raised
from taskmapr.core.errors import InvalidInput
from taskmapr.core.ports import FoundTool, ToolServerReport
from taskmapr.core.tools import ToolContext, ToolSpec
from taskmapr.foundation.telemetry.outages import Outage

logger = logging.getLogger(__name__)

MAX_SUMMARY: Final = 2_000
MAX_SCHEMA_BYTES: Final = 65_536


@transaction.atomic
def mcp_reports_write(reports: Iterable[ToolServerReport]) -> None:
    """States and tools of these servers are as reported; a change of state is logged.

    A tool that is new is disabled, except for those that the environment lists for its own server.
    One that is not any more what an operator allowed is disabled again; the environment's list
    allows by name, whatever a tool of that name is.
    One that is gone keeps its row, so that what operators said holds when it comes back. Locks the
    servers in the order of their ids.
    """
    found = {report.server_id: report for report in reports}
    servers = McpServer.objects.select_for_update().filter(pk__in=found).order_by("pk")
    changes = [_report_write(server, found[server.pk]) for server in servers]
    if any(changes):
        transaction.on_commit(profiles_forget)


def _report_write(server: McpServer, report: ToolServerReport) -> bool:
    """True when something changed that runs must know."""
    before = server.state
    server.state = McpServerState.UNAVAILABLE if report.problem else McpServerState.AVAILABLE
    server.last_error = report.problem
    server.checked_at = datetime.now(UTC)
    if not report.problem:
        server.revision, server.software = report.revision, report.software
    server.save(update_fields=["state", "last_error", "checked_at", "revision", "software"])
    if server.state != before:
        _tell(server)
    tools_changed = not report.problem and _tools_write(server, report.tools)
    return tools_changed or server.state != before


def _tell(server: McpServer) -> None:
    if server.state == McpServerState.AVAILABLE:
        logger.info("MCP server %s is available (%s)", server.name, server.software)
        _outage(server.name).over(f"MCP server {server.name} is back")
        return
    _outage(server.name).warn(server.last_error)


@cache
def _outage(server: str) -> Outage:
    return Outage(
        f"MCP server {server} cannot be reached",
        impact="Its tools are unavailable to assistants.",
        action="Runs continue with base capabilities; it is tried again at least every 60 s.",
    )


def _tools_write(server: McpServer, tools: Iterable[FoundTool]) -> bool:
    known = {tool.remote_name: tool for tool in server.tools.all()}
    now = datetime.now(UTC)
    changed: list[Tool] = []
    new: list[Tool] = []
    seen: set[str] = set()
    for found in tools:
        name = f"mcp:{server.name}.{found.name}"
        if found.name in seen or len(found.name) > 128:
            continue
        seen.add(found.name)
        said = _said(name, found)
        tool = known.get(found.name)
        if tool is None:
            new.append(_new(server, name, found, said))
        elif _takes(tool, {**said, **_concluded(server, tool, said)}):
            changed.append(tool)
    gone = [tool for name, tool in known.items() if name not in seen and tool.is_present]
    for tool in gone:
        tool.is_present = False
    Tool.objects.bulk_create(new, ignore_conflicts=True)
    Tool.objects.bulk_update(
        [*changed, *gone],
        [
            "name",
            "summary",
            "input_schema",
            "problem",
            "own_danger",
            "is_present",
            "is_enabled",
            "danger",
            "has_effect",
            "inject_user_id",
            "allowed_summary",
            "allowed_schema",
        ],
    )
    server.tools.filter(remote_name__in=seen).update(seen_at=now)
    return bool(new or changed or gone)


def _said(name: str, found: FoundTool) -> dict[str, Any]:
    """What a server says of its tool, bounded."""
    problem = tool_problem(name, found)
    return {
        "name": name,
        "summary": found.summary.strip()[:MAX_SUMMARY],
        "input_schema": {} if problem else dict(found.input_schema),
        "problem": problem[:300],
        "own_danger": _danger(found),
        "is_present": True,
    }


def _concluded(server: McpServer, tool: Tool, said: dict[str, Any]) -> dict[str, Any]:
    """What follows for a tool that was known from what its server says of it now."""
    return {
        **_allowed(server, tool.remote_name),
        **_withdrawn(tool, said),
        **_raised(tool, said),
        **_injected(tool, said),
    }


def _raised(tool: Tool, said: dict[str, Any]) -> dict[str, Any]:
    """A tool that its server calls more dangerous than before is at least that dangerous."""
    before, now = tool.own_danger, said["own_danger"]
    danger = danger_raised(tool.danger, now)
    if danger_raised(before, now) == before or danger == tool.danger:
        return {}
    return {"danger": danger, "has_effect": True}


def _injected(tool: Tool, said: dict[str, Any]) -> dict[str, Any]:
    """An argument user_id that came is ours to set, as with a new tool; one that went is not."""
    has = _names_user(said["input_schema"])
    if said["problem"] or has == _names_user(tool.input_schema):
        return {}
    return {"inject_user_id": has}


def _names_user(schema: dict[str, Any]) -> bool:
    return "user_id" in schema.get("properties", {})


def _allowed(server: McpServer, tool: str) -> dict[str, Any]:
    """Nothing for servers of operators: there, what they ticked holds."""
    if not server.is_of_environment:
        return {}
    listed = settings.TASKMAPR["mcp_allowed_tools"]
    return {"is_enabled": "*" in listed or tool in listed}


def _withdrawn(tool: Tool, said: dict[str, Any]) -> dict[str, Any]:
    """What else becomes of a tool that an operator allowed and that is another one now.

    While it has a problem it is not offered anyway, and its schema is not known.
    """
    assert tool.server is not None  # noqa: S101 - the tools of a server
    if not tool.is_enabled or tool.server.is_of_environment or said["problem"]:
        return {}
    summary, schema = tool.allowed_summary, tool.allowed_schema
    if schema is None:
        # Allowed before such notes were taken: as it was seen last.
        summary, schema = tool.summary, tool.input_schema
    if (summary, schema) == (said["summary"], said["input_schema"]):
        return {}
    logger.warning("tool %s is not allowed any more: its server changed it", tool.name)
    return {"is_enabled": False, "allowed_summary": summary, "allowed_schema": schema}


def _danger(found: FoundTool) -> ToolDanger:
    if found.is_read_only:
        return ToolDanger.READ
    return ToolDanger.DANGEROUS if found.is_destructive else ToolDanger.WRITE


def _new(server: McpServer, name: str, found: FoundTool, said: dict[str, Any]) -> Tool:
    """A row for a tool that was never seen before, as careful as what is known of it allows."""
    danger = said["own_danger"]
    if server.is_of_environment and found.is_read_only is None and not found.is_destructive:
        # Its server is silent, and nobody will tick a box: the environment's list vouches for it.
        danger = ToolDanger.READ
    return Tool(
        server=server,
        remote_name=found.name,
        danger=danger,
        has_effect=danger != ToolDanger.READ,
        # A model must not choose for whom it acts.
        inject_user_id=_names_user(said["input_schema"]),
        seen_at=datetime.now(UTC),
        **said,
        **_allowed(server, found.name),
    )


def _takes(tool: Tool, said: dict[str, Any]) -> bool:
    """True when something of it is new to the row."""
    changed = [name for name, value in said.items() if getattr(tool, name) != value]
    for name in changed:
        setattr(tool, name, said[name])
    return bool(changed)


def tool_problem(name: str, found: FoundTool) -> str:
    """Why this tool cannot be offered, or an empty text."""
    schema = dict(found.input_schema)
    if len(orjson.dumps(schema)) > MAX_SCHEMA_BYTES:
        return f"its schema is larger than {MAX_SCHEMA_BYTES} bytes"
    try:
        ToolSpec(
            name=name, summary="", input_schema=schema, handler=_nothing, is_foreign=True
        ).check({})
    except InvalidInput:
        return ""
    except RecursionError:
        return "its schema is too deep"
    except ValueError as error:
        return str(error)
    except jsonschema.SchemaError as error:
        return f"its schema is none: {error.message}"
    return ""


async def _nothing(context: ToolContext, args: dict[str, Any]) -> None:
    """Stands for the call while a tool is looked at."""
