"""Tools of a real MCP server, called as intents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from agents_cfg.models import McpServer, Tool
from agents_cfg.selectors.fresh import fresh
from agents_cfg.services.mcp_reports import mcp_reports_write
from orchestration.adapters.mcp_client import McpSessions
from orchestration.tools import mcp_intents
from orchestration.tools.flows import CallAttempt, CallContext
from orchestration.tools.mcp_intents import mcp_call
from taskmapr.core import wired
from taskmapr.core.errors import (
    CircuitOpen,
    InvalidInput,
    McpUnavailable,
    OutcomeUnknown,
    TimedOut,
    ToolNotAllowed,
    ToolReportedError,
    UnknownIntent,
)
from taskmapr.core.ports import ToolServerReport
from taskmapr.foundation.http import breakers
from taskmapr.foundation.http.retries import RetryPolicy
from tests.mcpserver.process import McpProcess
from tests.stack.up_process import free_port


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[McpProcess]:
    notes = tmp_path_factory.mktemp("mcp") / "notes"
    process = McpProcess("streamable_http", (f"--notes={notes}",))
    process.start()
    yield process
    process.kill()


@pytest.fixture(autouse=True)
def quick(settings: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.TASKMAPR_AIO_INLINE = True
    monkeypatch.setattr(mcp_intents, "_RETRIES", RetryPolicy(base_s=0.0))
    breakers.forget()
    yield
    breakers.forget()


@pytest.fixture
def docs(db: None, process: McpProcess) -> McpServer:
    """The server `docs`, all of whose tools but `wipe` are allowed."""
    if not process.is_running:
        process.start()
    server = McpServer.objects.create(
        name="docs", transport="streamable_http", url=process.url, call_timeout_s=20
    )
    address = process.address(server_id=server.pk)
    reports = async_to_sync(_asked)([address])
    mcp_reports_write(reports)
    Tool.objects.filter(server=server).exclude(remote_name="wipe").update(is_enabled=True)
    fresh.clear()
    return server


async def _asked(addresses: Any) -> list[ToolServerReport]:
    sessions = McpSessions()
    try:
        return await sessions.check(addresses)
    finally:
        await sessions.close()


def call(intent: str, inputs: dict[str, Any] | None = None, **more: Any) -> Any:
    """In a loop and with sessions of its own, as a worker has them."""

    async def made() -> Any:
        sessions = McpSessions()
        before = wired.ports()
        wired.wire(replace(before, tool_servers=lambda: sessions))
        try:
            return await mcp_call(intent, inputs or {}, job_id="job_1", **more)
        finally:
            wired.wire(before)
            await sessions.close()

    return async_to_sync(made)()


def context(attempts: list[CallAttempt]) -> CallContext:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    return CallContext(deadline_at=soon, attempt_failed=attempts.append)


@pytest.mark.req("IN-26")
def test_gives_the_whole_result(docs: McpServer) -> None:
    said = call("mcp:docs/echo", {"text": "hello"})

    assert said == {
        "content": [{"type": "text", "text": "hello"}],
        "structured": None,
        "is_error": False,
    }
    greeted = call("mcp.docs.whoami", user_id="ada")
    assert greeted["structured"] == {"user": "ada", "greeting": "hello"}
    assert call("Odd.Name-1")["content"][0]["text"] == "odd"
    shown = call("mcp:docs/picture")["content"]
    assert [part["type"] for part in shown] == ["text", "image"]
    assert shown[1]["mimeType"] == "image/png"


@pytest.mark.req("IN-26")
def test_inputs_are_checked_before_anything_is_sent(docs: McpServer) -> None:
    with pytest.raises(InvalidInput) as refused:
        call("mcp:docs/echo", {"text": 5})

    assert refused.value.details["fields"][0]["path"] == "text"


@pytest.mark.req("IN-26")
def test_a_tool_that_says_it_failed_is_a_tool_error(docs: McpServer) -> None:
    with pytest.raises(ToolReportedError, match="the shelf is empty") as failed:
        call("mcp:docs/fail", {"reason": "the shelf is empty"})

    assert (failed.value.code, failed.value.status) == ("tool_error", 502)


@pytest.mark.req("IN-31")
def test_tools_that_say_they_failed_open_no_circuit(docs: McpServer) -> None:
    for _ in range(6):
        with pytest.raises(ToolReportedError):
            call("mcp:docs/fail", {"reason": "no"})

    assert call("mcp:docs/echo", {"text": "x"})["is_error"] is False


@pytest.mark.req("IN-26")
def test_progress_of_the_tool_is_told(docs: McpServer) -> None:
    told: list[tuple[float | None, str]] = []

    call("mcp:docs/count", {"to": 2}, progress=lambda percent, text: told.append((percent, text)))

    assert told == [(50.0, "1 of 2"), (100.0, "2 of 2")]


@pytest.mark.req("IN-26")
def test_tools_off_the_list_are_refused(docs: McpServer) -> None:
    with pytest.raises(ToolNotAllowed):
        call("mcp:docs/wipe")
    with pytest.raises(UnknownIntent):
        call("mcp:nosuch/wipe")
    with pytest.raises(UnknownIntent):
        call("nosuch")


@pytest.mark.req("IN-26")
def test_lists_what_there_is(docs: McpServer) -> None:
    tools = call("mcp.tools")["tools"]

    assert "mcp:docs/echo" in {tool["name"] for tool in tools}
    assert "mcp:docs/wipe" not in {tool["name"] for tool in tools}
    echo = next(tool for tool in tools if tool["tool"] == "echo")
    assert echo["inputs_schema"]["required"] == ["text"]
    (server,) = call("mcp.servers")["servers"]
    assert (server["name"], server["state"]) == ("docs", "available")


@pytest.mark.req("IN-26")
def test_nobody_calls_in_the_name_of_another_user(docs: McpServer) -> None:
    greeted = call("mcp:docs/whoami", {"user_id": "ben"}, user_id="ada")

    assert greeted["structured"]["user"] == "ada"


@pytest.mark.req("IN-30")
def test_a_call_that_takes_too_long_is_given_up(docs: McpServer) -> None:
    Tool.objects.filter(remote_name="slow").update(timeout_s=0.3)
    fresh.forget()

    with pytest.raises(TimedOut):
        call("mcp:docs/slow", {"seconds": 30})


@pytest.mark.req("IN-26", "IN-30", "IN-31")
def test_a_server_that_is_away_is_tried_and_then_left_alone(docs: McpServer) -> None:
    McpServer.objects.update(url=f"http://127.0.0.1:{free_port()}/mcp")
    fresh.forget()
    attempts: list[CallAttempt] = []

    with pytest.raises(McpUnavailable) as failed:
        call("mcp:docs/echo", {"text": "x"}, ctx=context(attempts))

    assert (failed.value.code, failed.value.status) == ("mcp_unavailable", 503)
    assert [attempt.number for attempt in attempts] == [1, 2, 3]
    for _ in range(4):
        with pytest.raises(McpUnavailable):
            call("mcp:docs/echo", {"text": "x"})
    with pytest.raises(CircuitOpen):
        call("mcp:docs/echo", {"text": "x"})


@pytest.mark.req("IN-30")
def test_a_server_that_dies_in_the_middle_of_an_effect_leaves_its_outcome_open(
    docs: McpServer, process: McpProcess
) -> None:
    attempts: list[CallAttempt] = []

    with pytest.raises(OutcomeUnknown):
        call("mcp:docs/die", ctx=context(attempts))

    assert [(a.number, a.delay_s) for a in attempts] == [(1, None)]
    process.kill()
