"""Runs that wait for a workflow: paused, held by nobody, and going on with its answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from orchestration.engines.outside_calls import flow_result
from orchestration.execution.drive import HeldRun
from orchestration.log.store import events_all
from orchestration.models import Approval, FlowCall, Run
from orchestration.services.flow_resume import flow_resume
from orchestration.services.pausing import approval_resolve, approvals_expire
from orchestration.targets.flows import FlowTarget
from taskmapr.core.errors import InvalidInput
from taskmapr.core.events import ResultGiven
from taskmapr.foundation.http import breakers
from tests.fakes import RecordingQueue
from tests.flowengine import FlowEngine, Reply, playing
from tests.orchestration.conftest import StartRun
from tests.orchestration.engines.driving import refreshed, run_carry, use_engine
from tests.orchestration.logs import assert_replay_equals_row, kinds


@pytest.fixture(autouse=True)
def own_redis(settings: Any, redis_url: str) -> Iterator[None]:
    settings.TASKMAPR_AIO_INLINE = True
    breakers.forget()
    yield
    breakers.forget()


async def ask_the_flow(held: HeldRun) -> None:
    flow = FlowTarget(engine="n8n", is_synchronous=False, timeout_s=60)
    answer = await flow_result(held, flow, intent="gmail.triage", inputs={})
    held.writer.append(ResultGiven(value=answer))


@pytest.fixture
def waiting(start: StartRun, settings: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, str]:
    """A run whose workflow took the work, and the token to answer with."""
    use_engine(monkeypatch, ask_the_flow)
    run = start()

    async def carried() -> FlowEngine:
        async with playing(Reply({"message": "Workflow was started"})) as engine:
            settings.TASKMAPR = {**settings.TASKMAPR, "n8n_base": engine.base}
            await run_carry(run.pk)
            return engine

    engine = async_to_sync(carried)()
    return run, engine.requests[0].body["callback_url"].partition("token=")[2]


@pytest.mark.req("IN-25")
def test_nobody_holds_a_run_that_waits_for_a_flow(waiting: tuple[Run, str]) -> None:
    run = refreshed(waiting[0])

    assert (run.status, run.lease_owner, run.lease_expires_at) == ("paused", "", None)
    assert kinds(run)[-2:] == ["approval.requested", "run.paused"]
    assert_replay_equals_row(run)


@pytest.mark.req("IN-25")
def test_the_answer_lets_the_run_go_on(
    waiting: tuple[Run, str], queue: RecordingQueue, django_capture_on_commit_callbacks: Any
) -> None:
    run, token = waiting
    before = len(queue.jobs)

    with django_capture_on_commit_callbacks(execute=True):
        flow_resume(run_id=run.pk, answer={"n": 30}, token=token)

    assert queue.run_ids[before:] == [run.pk]
    async_to_sync(run_carry)(run.pk)
    ended = refreshed(run)
    assert (ended.status, ended.attempt) == ("succeeded", 2)
    (result,) = [event for event in events_all(run.pk, None) if event.kind == "result"]
    assert result.data["value"] == {"n": 30}
    assert_replay_equals_row(run)


@pytest.mark.req("IN-30", "IN-52")
def test_each_attempt_that_failed_is_a_line_of_the_log(
    start: StartRun, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(held: HeldRun) -> None:
        flow = FlowTarget(engine="n8n", timeout_s=60)
        answer = await flow_result(held, flow, intent="gmail.triage", inputs={})
        held.writer.append(ResultGiven(value=answer))

    use_engine(monkeypatch, ask)
    run = start()

    async def carried() -> None:
        async with playing(Reply(status=429), Reply({"ok": 1})) as engine:
            settings.TASKMAPR = {**settings.TASKMAPR, "n8n_base": engine.base}
            await run_carry(run.pk)

    async_to_sync(carried)()

    (line,) = [event for event in events_all(run.pk, None) if event.kind == "log"]
    assert line.data["level"] == "warning"
    assert line.data["text"].startswith("Attempt 1 failed: flow:n8n answered 429. The next follows")
    assert refreshed(run).status == "succeeded"


@pytest.mark.req("IN-25")
def test_no_answer_in_time_ends_the_run_as_timed_out(waiting: tuple[Run, str]) -> None:
    run, _ = waiting
    past = datetime.now(UTC) - timedelta(seconds=1)
    FlowCall.objects.filter(pk=run.pk).update(expires_at=past)
    Approval.objects.filter(run=run).update(expires_at=past)

    assert approvals_expire() == 1

    async_to_sync(run_carry)(run.pk)
    ended = refreshed(run)
    assert (ended.status, ended.error_code) == ("timed_out", "timed_out")
    assert_replay_equals_row(run)


def test_no_person_answers_for_a_flow(waiting: tuple[Run, str]) -> None:
    run, _ = waiting
    asked = Approval.objects.get(run=run)

    for decision in ("answered", "approved", "happened"):
        with pytest.raises(InvalidInput):
            approval_resolve(
                approval_id=asked.pk, decision=decision, by="ada", answer="x", owner_id=run.owner_id
            )

    assert refreshed(run).status == "paused"
