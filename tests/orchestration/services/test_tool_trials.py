"""Trying a tool: the real registry, and a real MCP server in its own process."""

from __future__ import annotations

import json
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from agents_cfg.models import McpServer, Tool
from agents_cfg.services.tools import registry_tools_write
from orchestration.adapters.mcp_client import McpSessions
from orchestration.models import ToolTrial
from orchestration.services import tool_trials
from orchestration.services.tool_trials import KEPT, tool_trial_request, tool_trial_run
from taskmapr.core import jobs, wired
from taskmapr.core.errors import InvalidInput, QueueUnavailable, ToolDenied
from taskmapr.users.models import User
from tests.fakes import RecordingQueue
from tests.mcpserver.process import McpProcess

ECHO = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


@pytest.fixture(scope="module")
def running() -> Iterator[McpProcess]:
    process = McpProcess("streamable_http")
    process.start()
    yield process
    process.kill()


@pytest.fixture
def served(db: None, running: McpProcess, ports: wired.Ports) -> McpServer:
    """`ports` puts the real bundle back afterwards."""
    sessions = McpSessions()
    wired.wire(replace(ports, tool_servers=lambda: sessions))
    return McpServer.objects.create(name="shop", url=running.url, transport=running.transport)


def tool(server: McpServer, name: str, **changes: Any) -> Tool:
    given = {"danger": "read", "is_enabled": True, "input_schema": ECHO, **changes}
    return Tool.objects.create(
        name=f"mcp:{server.name}.{name}", server=server, remote_name=name, **given
    )


def submit(coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
    """What the worker's loop does, here and now."""
    future: Future[Any] = Future()

    async def awaited() -> Any:
        try:
            return await coroutine
        finally:
            await wired.ports().tool_servers().close()

    try:
        future.set_result(async_to_sync(awaited)())
    except Exception as error:
        future.set_exception(error)
    return future


def tried(row: Tool, user: User, **args: Any) -> ToolTrial:
    trial = tool_trial_request(tool=row, args=args, user=user)
    tool_trial_run(trial_id=trial.pk, submit=submit)
    return ToolTrial.objects.get(pk=trial.pk)


@pytest.mark.req("OV-72")
def test_a_worker_is_asked(served: McpServer, ada: User, queue: RecordingQueue) -> None:
    trial = tool_trial_request(tool=tool(served, "echo"), args={"text": "hi"}, user=ada)

    assert queue.jobs == [(jobs.TOOL_TRY, (str(trial.pk),), "chores")]
    assert trial.status == "waiting"


@pytest.mark.req("OV-72")
def test_the_answer_of_a_server_is_kept_with_its_time(served: McpServer, ada: User) -> None:
    trial = tried(tool(served, "echo"), ada, text="hello", password="hunter2")

    assert (trial.status, json.loads(trial.result)) == ("succeeded", "hello")
    assert trial.duration_ms is not None
    assert trial.finished_at is not None
    assert trial.args == {"text": "hello", "password": "[redacted]"}


@pytest.mark.req("OV-45")
def test_a_tool_that_knows_the_user_knows_the_operator(served: McpServer, ada: User) -> None:
    schema = {"type": "object", "properties": {"user_id": {"type": "string"}}}
    row = tool(served, "whoami", inject_user_id=True, input_schema=schema)

    assert json.loads(tried(row, ada).result)["user"] == str(ada.pk)


@pytest.mark.req("OV-72")
def test_a_tool_of_the_registry_reads_what_is_there(ada: User) -> None:
    registry_tools_write()
    trial = tried(Tool.objects.get(name="knowledge.list_knowledge_collections"), ada)

    assert trial.status == "succeeded"
    assert "collections" in json.loads(trial.result)


def test_a_failing_tool_says_why(served: McpServer, ada: User) -> None:
    schema = {"type": "object", "properties": {"reason": {"type": "string"}}}
    trial = tried(tool(served, "fail", input_schema=schema), ada, reason="the shelf is empty")

    assert (trial.status, trial.error_code) == ("failed", "tool_call_failed")
    assert "the shelf is empty" in trial.error_message


def test_a_tool_that_takes_too_long_is_given_up(served: McpServer, ada: User) -> None:
    schema = {"type": "object", "properties": {"seconds": {"type": "number"}}}
    trial = tried(tool(served, "slow", input_schema=schema, timeout_s=0.2), ada, seconds=5)

    assert (trial.status, trial.error_code) == ("failed", "timed_out")
    assert trial.error_message == "The tool took longer than 0.2 s."


@pytest.mark.req("OV-72")
@pytest.mark.parametrize(
    "changes",
    [
        {"danger": "write"},
        {"danger": "dangerous"},
        {"has_effect": True},
        {"needs_approval": True},
        {"is_enabled": False},
        {"is_present": False},
        {"problem": "its schema is none"},
    ],
)
def test_only_allowed_tools_that_read_are_tried(
    served: McpServer, ada: User, queue: RecordingQueue, changes: dict[str, Any]
) -> None:
    row = tool(served, "echo", **changes)

    with pytest.raises(ToolDenied):
        tool_trial_request(tool=row, args={"text": "hi"}, user=ada)

    assert not ToolTrial.objects.exists()
    assert queue.jobs == []


def test_what_was_taken_away_meanwhile_is_not_called(served: McpServer, ada: User) -> None:
    row = tool(served, "echo")
    trial = tool_trial_request(tool=row, args={"text": "hi"}, user=ada)
    Tool.objects.update(danger="write")

    tool_trial_run(trial_id=trial.pk, submit=submit)

    trial.refresh_from_db()
    assert (trial.status, trial.error_code, trial.result) == ("failed", "tool_denied", "")


def test_arguments_that_do_not_fit_are_refused(served: McpServer, ada: User) -> None:
    with pytest.raises(InvalidInput):
        tool_trial_request(tool=tool(served, "echo"), args={}, user=ada)

    assert not ToolTrial.objects.exists()


def test_a_trial_is_carried_out_once(served: McpServer, ada: User) -> None:
    trial = tried(tool(served, "echo"), ada, text="hello")
    ToolTrial.objects.update(args={"text": "again"})

    tool_trial_run(trial_id=trial.pk, submit=submit)

    trial.refresh_from_db()
    assert json.loads(trial.result) == "hello"


def test_only_the_newest_trials_are_kept(served: McpServer, ada: User) -> None:
    own, other = tool(served, "echo"), tool(served, "other")
    tool_trial_request(tool=other, args={"text": "hi"}, user=ada)
    trials = [tool_trial_request(tool=own, args={"text": "hi"}, user=ada) for _ in range(KEPT + 2)]

    kept = set(ToolTrial.objects.filter(tool=own).values_list("pk", flat=True))
    assert kept == {trial.pk for trial in trials[2:]}
    assert ToolTrial.objects.filter(tool=other).count() == 1


def test_without_a_queue_the_trial_has_failed(
    served: McpServer, ada: User, queue: RecordingQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any, **kwargs: Any) -> None:
        raise QueueUnavailable

    monkeypatch.setattr(queue, "enqueue", away)

    with pytest.raises(QueueUnavailable):
        tool_trial_request(tool=tool(served, "echo"), args={"text": "hi"}, user=ada)

    trial = ToolTrial.objects.get()
    assert (trial.status, trial.error_code) == ("failed", "queue_unavailable")


def test_long_results_are_cut(
    served: McpServer, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_trials, "RESULT_LENGTH", 10)

    assert tried(tool(served, "echo"), ada, text="x" * 100).result == '"xxxxxxxxx… (cut)'


def test_a_call_never_holds_a_chore_longer_than_a_minute(
    served: McpServer, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_trials, "LIMIT_S", 0.1)
    schema = {"type": "object", "properties": {"seconds": {"type": "number"}}}

    trial = tried(tool(served, "slow", input_schema=schema, timeout_s=500), ada, seconds=5)

    assert trial.error_message == "The tool took longer than 0.1 s."
