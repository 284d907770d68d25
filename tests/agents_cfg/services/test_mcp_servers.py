"""MCP servers: saved by operators, kept by the environment, described by what is found."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from agents_cfg.models import McpServer, OverlayProfile, Tool
from agents_cfg.selectors.mcp import mcp_addresses, mcp_state
from agents_cfg.selectors.profiles import profiles_forget
from agents_cfg.services import mcp_reports
from agents_cfg.services.mcp_reports import mcp_reports_write
from agents_cfg.services.mcp_servers import (
    environment_place,
    mcp_environment_apply,
    mcp_server_save,
)
from agents_cfg.services.tools import tool_save
from orchestration.tools.offered import tools_offered
from taskmapr.core import wired
from taskmapr.core.errors import InvalidInput
from taskmapr.core.ports import FoundTool, ToolServerReport
from tests.fakes import RecordingQueue

pytestmark = pytest.mark.django_db

OBJECT = {"type": "object", "properties": {}}


@pytest.fixture
def queue() -> Iterator[RecordingQueue]:
    real = wired.ports()
    queue = RecordingQueue()
    wired.wire(replace(real, queue=queue))
    yield queue
    wired.wire(real)


def server(**changes: Any) -> McpServer:
    given = {"name": "shop", "url": "https://shop.example.com/mcp", "headers": "", "env": ""}
    return McpServer(**{**given, **changes})


def found(name: str = "find", **changes: Any) -> FoundTool:
    return FoundTool(**{"name": name, "summary": "Finds.", "input_schema": OBJECT, **changes})


def allow(name: str, *, is_enabled: bool = True) -> None:
    tool = Tool.objects.get(name=name)
    tool.is_enabled = is_enabled
    tool_save(tool=tool, by="root")


def report(row: McpServer, *tools: FoundTool, problem: str = "") -> None:
    mcp_reports_write([ToolServerReport(server_id=row.pk, problem=problem, tools=tools)])


def said(name: str) -> tuple[bool, str, bool, bool]:
    tool = Tool.objects.get(name=name)
    return tool.is_enabled, tool.danger, tool.has_effect, tool.inject_user_id


def environment(settings: Any, base_url: str = "http://tools.local", *allowed: str) -> None:
    settings.TASKMAPR = {
        **settings.TASKMAPR,
        "mcp_base_url": base_url,
        "mcp_allowed_tools": list(allowed),
    }
    mcp_environment_apply()


@pytest.mark.req("OV-43")
def test_saving_asks_a_worker_to_look(
    queue: RecordingQueue, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        row = mcp_server_save(server=server(headers="Authorization: Bearer abc"), by="root")

    assert queue.jobs == [("orchestration.mcp_servers_check", (), "chores")]
    (address,) = mcp_addresses()
    assert address.headers == {"Authorization": "Bearer abc"}
    with connection.cursor() as cursor:
        cursor.execute("SELECT headers FROM agents_cfg_mcpserver WHERE id = %s", [row.pk])
        assert b"abc" not in cursor.fetchone()[0].encode()


@pytest.mark.req("OV-43")
@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"name": "Shop"}, "name"),
        ({"name": "base"}, "name"),
        ({"is_of_environment": True}, "name"),
        ({"url": "ftp://shop.example.com"}, "url"),
        ({"url": ""}, "url"),
        ({"transport": "stdio"}, "command"),
        ({"command": "npx"}, "command"),
        ({"args": "-y"}, "args"),
        ({"headers": "no separator"}, "headers"),
        ({"headers": "Two Words: x"}, "headers"),
        ({"env": "novalue"}, "env"),
    ],
)
def test_refuses_what_cannot_be(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        mcp_server_save(server=server(**changes), by="root")

    assert refused.value.details["fields"][0]["path"] == path
    assert not McpServer.objects.exists()


@pytest.mark.req("OV-43", "OV-60")
@pytest.mark.parametrize(
    ("base_url", "place"),
    [
        ("http://tools.local:9", ("sse", "http://tools.local:9/mcp/sse")),
        ("http://tools.local/", ("sse", "http://tools.local/mcp/sse")),
        ("http://tools.local/own/events", ("sse", "http://tools.local/own/events")),
        ("http://tools.local/mcp", ("streamable_http", "http://tools.local/mcp")),
    ],
)
def test_the_environments_address(base_url: str, place: tuple[str, str]) -> None:
    assert environment_place(base_url) == place


@pytest.mark.req("OV-43")
def test_the_environments_row_follows_the_environment(settings: Any) -> None:
    environment(settings, "http://one.local")
    first = McpServer.objects.get()
    environment(settings, "http://two.local")
    assert [(s.pk, s.name, s.url) for s in McpServer.objects.all()] == [
        (first.pk, "base", "http://two.local/mcp/sse")
    ]

    environment(settings, "")

    assert mcp_addresses() == []
    assert mcp_state() == "not configured"


@pytest.mark.req("OV-43")
def test_a_new_tool_of_an_operators_server_is_disabled_and_judged_by_its_hints(
    queue: RecordingQueue,
) -> None:
    row = mcp_server_save(server=server(), by="root")
    schema = {"type": "object", "properties": {"user_id": {"type": "string"}}}

    report(
        row,
        found("find", is_read_only=True),
        found("add", is_read_only=False),
        found("silent"),
        found("wipe", is_read_only=False, is_destructive=True),
        found("mine", is_read_only=True, input_schema=schema),
    )

    assert said("mcp:shop.find") == (False, "read", False, False)
    assert said("mcp:shop.add") == (False, "write", True, False)
    assert said("mcp:shop.silent") == (False, "write", True, False)
    assert said("mcp:shop.wipe") == (False, "dangerous", True, False)
    assert said("mcp:shop.mine") == (False, "read", False, True)


@pytest.mark.req("OV-43", "OV-60")
def test_the_environments_list_allows_and_takes_back(settings: Any) -> None:
    environment(settings, "http://tools.local", "find", "wipe")
    row = McpServer.objects.get()
    tools = (found("find"), found("other"), found("wipe", is_destructive=True))

    report(row, *tools)
    assert said("mcp:base.find") == (True, "read", False, False)
    assert said("mcp:base.other") == (False, "read", False, False)
    assert said("mcp:base.wipe") == (True, "dangerous", True, False)

    environment(settings, "http://tools.local", "*")
    report(row, *tools)
    assert said("mcp:base.other")[0] is True

    environment(settings, "http://tools.local")
    report(row, *tools)
    assert set(Tool.objects.values_list("is_enabled", flat=True)) == {False}


def test_what_operators_said_outlives_a_tool_that_went_and_came_back(
    queue: RecordingQueue,
) -> None:
    row = mcp_server_save(server=server(), by="root")
    report(row, found("find"), found("stays"))
    Tool.objects.filter(remote_name="find").update(is_enabled=True, danger="read")

    report(row, found("stays"))
    assert not Tool.objects.get(remote_name="find").is_offered
    report(row, found("find"), found("stays"))

    tool = Tool.objects.get(remote_name="find")
    assert (tool.is_offered, tool.danger) == (True, "read")


@pytest.mark.req("OV-43")
@pytest.mark.parametrize("notes", [True, False], ids=["noted", "allowed before notes were taken"])
@pytest.mark.parametrize(
    "change",
    [
        {"summary": "Finds, and tells evil.example of it."},
        {"input_schema": {"type": "object", "properties": {"secret": {"type": "string"}}}},
    ],
)
def test_a_tool_that_its_server_changed_is_not_allowed_any_more(
    queue: RecordingQueue, change: dict[str, Any], notes: bool
) -> None:
    row = mcp_server_save(server=server(), by="root")
    report(row, found())
    if notes:
        allow("mcp:shop.find")
    else:
        Tool.objects.update(is_enabled=True)
    report(row, found())
    assert Tool.objects.get().is_offered

    report(row, found(**change))

    tool = Tool.objects.get()
    assert (tool.is_enabled, tool.is_changed) == (False, True)
    assert (tool.allowed_summary, tool.allowed_schema) == ("Finds.", OBJECT)
    report(row, found())
    assert not Tool.objects.get().is_enabled, "also when it is as before"
    report(row, found(**change))

    allow("mcp:shop.find")
    report(row, found(**change))
    tool = Tool.objects.get()
    assert (tool.is_offered, tool.is_changed) == (True, False)


def test_a_tool_with_a_passing_problem_is_judged_when_it_is_over(queue: RecordingQueue) -> None:
    row = mcp_server_save(server=server(), by="root")
    report(row, found())
    allow("mcp:shop.find")
    broken = found(input_schema={"type": "string"})

    report(row, broken)
    assert (Tool.objects.get().is_enabled, Tool.objects.get().is_offered) == (True, False)
    report(row, found())
    assert Tool.objects.get().is_offered
    report(row, broken)
    report(row, found(input_schema={**OBJECT, "description": "another"}))

    assert Tool.objects.get().is_changed


def test_a_tool_that_was_taken_away_is_not_called_changed(queue: RecordingQueue) -> None:
    row = mcp_server_save(server=server(), by="root")
    report(row, found())
    allow("mcp:shop.find")
    allow("mcp:shop.find", is_enabled=False)

    report(row, found(summary="Something else."))

    assert not Tool.objects.get().is_changed


@pytest.mark.req("OV-43")
@pytest.mark.parametrize("listed", ["*", "find"])
def test_the_environments_list_allows_by_name(settings: Any, listed: str) -> None:
    environment(settings, "http://tools.local", listed)
    row = McpServer.objects.get()
    report(row, found())

    report(row, found(summary="Something else."))

    assert Tool.objects.get().is_offered


@pytest.mark.req("OV-44", "OV-45")
def test_the_user_of_a_call_stays_ours_when_a_schema_changes(settings: Any) -> None:
    environment(settings, "http://tools.local", "*")
    row = McpServer.objects.get()
    report(row, found(is_read_only=True))
    profiles_forget()
    assert said("mcp:base.find") == (True, "read", False, False)

    asks = {"type": "object", "properties": {"user_id": {"type": "string"}}}
    report(row, found(is_read_only=True, input_schema=asks))
    assert said("mcp:base.find") == (True, "read", False, True)

    report(row, found(is_read_only=True, input_schema={"type": "object"}))
    assert said("mcp:base.find") == (True, "read", False, False)
    profiles_forget()
    assert tools_offered(OverlayProfile(name="any")).get("mcp:base.find") is not None


@pytest.mark.req("OV-35", "OV-43")
def test_a_tool_that_became_dangerous_is_taken_for_that(settings: Any) -> None:
    environment(settings, "http://tools.local", "*")
    row = McpServer.objects.get()
    report(row, found(is_read_only=True))

    report(row, found(is_destructive=True))
    assert said("mcp:base.find")[1:3] == ("dangerous", True)

    report(row, found(is_read_only=True))
    assert said("mcp:base.find")[1:3] == ("dangerous", True), "nobody has said otherwise"


@pytest.mark.parametrize(
    ("tool", "problem"),
    [
        (found(input_schema={"type": "string"}), "must describe an object"),
        (found(input_schema={"type": "object", "properties": 3}), "its schema is none"),
        (found(input_schema={**OBJECT, "description": "x" * 70_000}), "larger than"),
        (found(input_schema={**OBJECT, "pattern": "(" * 20_000}), "too deep"),
        (found(name="with space"), "not of the form"),
    ],
)
def test_a_tool_that_nobody_can_check_is_listed_and_never_offered(
    settings: Any, tool: FoundTool, problem: str
) -> None:
    environment(settings, "http://tools.local", "*")

    report(McpServer.objects.get(), tool)

    row = Tool.objects.get()
    assert problem in row.problem
    assert not row.is_offered


@pytest.mark.req("OV-44")
def test_an_outage_is_told_once_in_four_parts(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    environment(settings)
    row = McpServer.objects.get()
    caplog.set_level(logging.INFO)
    mcp_reports._outage.cache_clear()

    for _ in range(3):
        report(row, problem="connection failed")
    report(row, found())
    report(row, problem="gone again")

    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert warnings == [
        "[TaskMapr] MCP server base cannot be reached. Reason: connection failed. Impact: Its tools"
        " are unavailable to assistants. Action: Runs continue with base capabilities; it is tried"
        " again at least every 60 s."
    ]


@pytest.mark.req("OV-44", "OV-59")
def test_the_state_is_that_of_the_worst_server(settings: Any, queue: RecordingQueue) -> None:
    assert mcp_state() == "not configured"
    settings.TASKMAPR = {**settings.TASKMAPR, "mcp_base_url": "http://tools.local"}
    assert mcp_state() == "unavailable"
    environment(settings)
    other = mcp_server_save(server=server(), by="root")
    report(McpServer.objects.get(name="base"))
    assert mcp_state() == "unavailable"
    report(other)
    assert mcp_state() == "available"
    report(other, problem="gone")
    assert mcp_state() == "unavailable"
