from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from orchestration.execution import drive
from orchestration.execution.drive import HeldRun
from orchestration.models import Run
from taskmapr.core.errors import ModelAuthFailed
from taskmapr.core.events import ReasoningStarted, TextDelta, ToolStarted
from tests.orchestration.conftest import StartRun
from tests.orchestration.engines.driving import refreshed, run_carry, use_engine
from tests.orchestration.logs import assert_replay_equals_row, kinds


@pytest.fixture
def run(start: StartRun) -> Run:
    return start()


def _carry(run: Run) -> Run:
    async_to_sync(run_carry)(run.pk)
    return refreshed(run)


def test_an_engine_that_cannot_begin_fails_its_run(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(kind: str) -> Any:
        raise ImportError("no such engine")

    monkeypatch.setattr(drive, "engine_class", refuse)

    ended = _carry(run)

    assert (ended.status, ended.error_code) == ("failed", "internal_error")
    assert "no such engine" not in ended.error_message
    assert_replay_equals_row(run)


@pytest.mark.req("OV-65")
def test_what_is_open_is_closed_before_the_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def break_off(held: HeldRun) -> None:
        held.writer.append(ToolStarted(call_id="c1", tool="ui.click"))
        held.writer.append(ReasoningStarted())
        raise ModelAuthFailed

    use_engine(monkeypatch, break_off)

    ended = _carry(run)

    assert kinds(ended)[-5:] == [
        "reasoning.completed",
        "tool.completed",
        "error",
        "metadata",
        "run.finished",
    ]
    assert ended.error_code == "llm_auth_failed"
    assert_replay_equals_row(run)


@pytest.mark.req("OV-25")
def test_a_run_ends_at_its_deadline(
    run: Run, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "run_timeout_s": 0.2}

    async def sleep(held: HeldRun) -> None:
        held.writer.append(TextDelta(text="So far"))
        await asyncio.sleep(30)

    use_engine(monkeypatch, sleep)

    ended = _carry(run)

    assert (ended.status, ended.error_code) == ("timed_out", "timed_out")
    assert_replay_equals_row(run)


def test_a_cancelled_run_says_why(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def cancel_itself(held: HeldRun) -> None:
        held.cancel("enough")
        await asyncio.sleep(30)

    use_engine(monkeypatch, cancel_itself)

    ended = _carry(run)

    assert (ended.status, ended.reason) == ("cancelled", "enough")
    assert_replay_equals_row(run)


def test_a_run_that_is_handed_back_keeps_what_it_said_and_lapses(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def be_handed_back(held: HeldRun) -> None:
        held.writer.append(TextDelta(text="So far"))
        held.hand_back()
        await asyncio.sleep(30)

    use_engine(monkeypatch, be_handed_back)

    left = _carry(run)

    assert (left.status, left.lease_owner) == ("running", "")
    assert kinds(left) == ["run.created", "run.started", "text.delta"]
