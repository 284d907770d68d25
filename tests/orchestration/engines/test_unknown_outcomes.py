"""An effect whose outcome nobody knows is asked about, whatever made it unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from agents_cfg.models import McpServer, Tool
from orchestration.adapters.mcp_client import McpSessions
from orchestration.engines.tool_calls import ToolCaller
from orchestration.execution.drive import HeldRun
from orchestration.log.store import events_after
from orchestration.models import Approval, Effect, Run
from orchestration.services.pausing import approval_resolve
from orchestration.tools.mcp import mcp_tool_spec
from taskmapr.core import wired
from taskmapr.core.errors import NotFound, OutcomeUnknown
from taskmapr.core.events import ModelResponded
from taskmapr.core.ports import ToolCallRequest
from taskmapr.core.tools import ToolContext, ToolRegistry, ToolSpec, tool
from tests.mcpserver.process import McpProcess
from tests.orchestration.conftest import StartRun
from tests.orchestration.engines.driving import refreshed, run_carry, use_engine
from tests.orchestration.logs import assert_replay_equals_row, kinds

ARGS = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


class Calling:
    """A run whose model asks for one tool once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
        self.run = run
        self.outputs: list[str] = []
        self._monkeypatch = monkeypatch

    def attempt(self, spec: ToolSpec, beside: Callable[[], Any] | None = None) -> list[str]:
        """One attempt; `beside` runs in a thread meanwhile. The kinds of the log afterwards."""
        asked = {"call_id": "c1", "name": spec.model_name, "arguments": '{"text": "milk"}'}

        async def body(held: HeldRun) -> None:
            if not held.transcript.pending_calls:
                held.writer.append(ModelResponded(step=1, model="m", duration_ms=1, calls=[asked]))
            caller = ToolCaller(held, lambda call_id: _context(held, call_id))
            other = asyncio.ensure_future(asyncio.to_thread(beside)) if beside else None
            try:
                self.outputs.append(await caller(ToolCallRequest(**asked), spec))
            finally:
                await wired.ports().tool_servers().close()
            if other is not None:
                await other

        use_engine(self._monkeypatch, body)
        async_to_sync(run_carry)(self.run.pk)
        return kinds(refreshed(self.run))

    def answer(self, decision: Any) -> None:
        approval_resolve(approval_id=_open().pk, decision=decision, by="ada")

    def completed(self) -> dict[str, Any]:
        (found,) = [e for e in events_after(self.run.pk, 0) if e.kind == "tool.completed"]
        return dict(found.data)


def _context(held: HeldRun, call_id: str) -> ToolContext:
    return ToolContext(
        run_id=str(held.run_id), call_id=call_id, user_id=str(held.claim.owner_id), session_id="s-1"
    )


def _open() -> Approval:
    return Approval.objects.get(status="open")


@pytest.fixture
def calling(start: StartRun, monkeypatch: pytest.MonkeyPatch) -> Calling:
    return Calling(monkeypatch, start())


async def _hang() -> None:
    await asyncio.sleep(30)


async def _break() -> None:
    raise ConnectionResetError("secret detail")


async def _say_unknown() -> None:
    raise OutcomeUnknown("The shop hung up.")


async def _refuse() -> None:
    raise NotFound("There is no such shop.")


def effect(do: Callable[[], Any], **options: Any) -> tuple[ToolSpec, list[str]]:
    """A tool that does it, and how often it was called."""
    calls: list[str] = []

    async def handler(ctx: ToolContext, args: dict[str, Any]) -> Any:
        calls.append(args["text"])
        await do()

    given = {"summary": "Buy.", "has_effect": True, "timeout_s": 0.2, **options}
    return tool("shop.buy", input_schema=ARGS, into=ToolRegistry(), **given)(handler), calls


UNKNOWN = pytest.mark.parametrize(
    ("do", "why"),
    [
        (_hang, "The tool took longer than 0.2 s."),
        (_break, "The tool failed unexpectedly."),
        (_say_unknown, "The shop hung up."),
    ],
)


@UNKNOWN
def test_the_ledger_says_begun_and_a_person_is_asked(
    calling: Calling, do: Callable[[], Any], why: str
) -> None:
    spec, calls = effect(do)

    told = calling.attempt(spec)

    assert told[-2:] == ["approval.requested", "run.paused"]
    assert (refreshed(calling.run).status, calls, calling.outputs) == ("paused", ["milk"], [])
    ledger = Effect.objects.get()
    assert (ledger.status, ledger.receipt, ledger.settled_at) == ("begun", None, None)
    asked = _open()
    assert asked.asks == "outcome"
    assert asked.question["prompt"] == (
        f"shop.buy was begun, and nobody knows how it ended. {why} Did it happen?"
    )
    assert_replay_equals_row(calling.run)


@UNKNOWN
def test_a_tool_without_an_effect_just_fails(
    calling: Calling, do: Callable[[], Any], why: str
) -> None:
    spec, _ = effect(do, has_effect=False)

    calling.attempt(spec)

    assert (calling.completed()["ok"], calling.completed()["error"]) == (False, why)
    assert refreshed(calling.run).status == "succeeded"
    assert not Approval.objects.exists()


def test_what_a_tool_says_of_its_failure_is_its_outcome(calling: Calling) -> None:
    spec, _ = effect(_refuse)

    calling.attempt(spec)

    assert Effect.objects.get().status == "failed"
    assert calling.completed()["error"] == "There is no such shop."


@pytest.mark.parametrize(
    ("decision", "ok", "status"), [("happened", True, "done"), ("expired", False, "begun")]
)
def test_without_a_word_for_it_nothing_is_repeated(
    calling: Calling, decision: str, ok: bool, status: str
) -> None:
    spec, calls = effect(_hang)
    calling.attempt(spec)

    calling.answer(decision)
    calling.attempt(spec)

    assert calls == ["milk"]
    assert (calling.completed()["ok"], Effect.objects.get().status) == (ok, status)
    assert refreshed(calling.run).status == "succeeded"


def test_it_is_asked_again_when_the_repetition_is_lost_too(calling: Calling) -> None:
    spec, calls = effect(_hang)
    calling.attempt(spec)
    calling.answer("not_happened")

    told = calling.attempt(spec)

    assert calls == ["milk", "milk"]
    assert told[-2:] == ["approval.requested", "run.paused"]
    assert Effect.objects.get().status == "begun"
    calling.answer("happened")
    calling.attempt(spec)
    assert calls == ["milk", "milk"]
    assert calling.completed()["ok"] is True
    assert_replay_equals_row(calling.run)


@pytest.fixture(params=["streamable_http", "sse"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[McpProcess]:
    """A real server, and sessions that each attempt closes."""
    process = McpProcess(request.param, (f"--notes={tmp_path / 'notes'}",))
    process.start()
    real = wired.ports()
    sessions = McpSessions()
    wired.wire(replace(real, tool_servers=lambda: sessions))
    yield process
    wired.wire(real)
    process.kill()


def spec_of(process: McpProcess, name: str, **changes: Any) -> ToolSpec:
    server = McpServer.objects.create(name="shop", transport=process.transport, url=process.url)
    given = {"danger": "write", "has_effect": True, "input_schema": ARGS, **changes}
    row = Tool.objects.create(
        name=f"mcp:shop.{name}", server=server, remote_name=name, is_enabled=True, **given
    )
    return mcp_tool_spec(row, server)


@pytest.mark.req("OV-44")
def test_a_server_that_is_killed_between_request_and_answer_leaves_a_question(
    calling: Calling, served: McpProcess, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    spec = spec_of(served, "note_and_hang")

    def kill_when_written() -> None:
        while not (notes.exists() and notes.read_text()):  # it is made a moment before
            asyncio.run(asyncio.sleep(0.02))
        served.kill()

    told = calling.attempt(spec, beside=kill_when_written)

    assert notes.read_text() == "milk\n"
    assert told[-2:] == ["approval.requested", "run.paused"]
    assert "Whether it took effect is unknown" in _open().question["prompt"]
    assert Effect.objects.get().status == "begun"

    served.start()
    calling.answer("happened")
    calling.attempt(spec)

    assert notes.read_text() == "milk\n"
    assert calling.completed()["result"] == {"confirmed_by_person": True}


@pytest.mark.req("OV-44")
def test_a_call_that_takes_too_long_leaves_a_question(
    calling: Calling, served: McpProcess, tmp_path: Path
) -> None:
    told = calling.attempt(spec_of(served, "note_and_hang", timeout_s=3.0))

    assert (tmp_path / "notes").read_text() == "milk\n"
    assert told[-2:] == ["approval.requested", "run.paused"]
    assert "took longer than 3 s" in _open().question["prompt"]


@pytest.mark.req("OV-44")
def test_a_server_that_was_never_reached_did_nothing(calling: Calling, served: McpProcess) -> None:
    spec = spec_of(served, "add_note")
    served.kill()

    calling.attempt(spec)

    assert Effect.objects.get().status == "failed"
    assert calling.completed()["ok"] is False
    assert not Approval.objects.exists()


@pytest.mark.req("OV-44")
def test_a_reading_tool_whose_server_dies_just_fails(calling: Calling, served: McpProcess) -> None:
    spec = spec_of(served, "die", danger="read", has_effect=False)

    calling.attempt(spec)

    assert "Whether it took effect is unknown" in calling.completed()["error"]
    assert not Effect.objects.exists()
    assert refreshed(calling.run).status == "succeeded"
