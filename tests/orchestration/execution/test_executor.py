"""The executor with real Postgres, real Redis and its own loop thread; engines are test bodies."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from orchestration.adapters.redis_standby import RedisStandby
from orchestration.execution import executor as executor_module
from orchestration.execution.drive import HeldRun
from orchestration.execution.executor import RunExecutor
from orchestration.models import Command, Delivery, Run
from orchestration.models.command import CommandKind
from orchestration.services.run_end import command_send, run_cancel
from orchestration.standby.records import owner_key
from taskmapr import wiring
from taskmapr.core import jobs, wired
from taskmapr.core.errors import QueueUnavailable
from taskmapr.foundation import aio
from tests.fakes import RecordingQueue
from tests.orchestration.callbacks import registered, told
from tests.orchestration.conftest import StartRun
from tests.orchestration.engines.driving import refreshed, use_engine
from tests.orchestration.logs import kinds

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., RunExecutor]


@pytest.fixture
def make(
    redis_url: str,
    queue: RecordingQueue,
    ports: wired.Ports,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Make]:
    """make(slots=…, body=…) → a running executor whose runs are driven by `body`."""
    settings.TASKMAPR_AIO_INLINE = False
    settings.TASKMAPR = {**settings.TASKMAPR, "sign_every_s": 0.2, "drain_s": 0.2}
    monkeypatch.setattr(executor_module, "SLOT_WAIT_S", 0.05)
    wired.wire(replace(wiring.build(), queue=queue))
    running: list[RunExecutor] = []

    def _make(body: Callable[[HeldRun], Any], slots: int = 5, **more: Any) -> RunExecutor:
        use_engine(monkeypatch, body)
        monkeypatch.setattr(executor_module, "engine_class", lambda kind: None)
        executor = RunExecutor(f"w{len(running)}", slots, **more)
        executor.start()
        running.append(executor)
        return executor

    yield _make
    for executor in running:
        executor.stop()
    aio.shutdown()


def until(condition: Callable[[], Any], within_s: float = 10.0) -> Any:
    """The first true value of the condition."""
    end = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < end, "the awaited state did not come"
        time.sleep(0.02)
    return value


def begun(executor: RunExecutor, run: Run) -> Run:
    """The run, in the executor's hands and at work."""
    executor.take(run.pk)
    until(lambda: kinds(run)[-1] == "run.started")
    return run


async def _forever(held: HeldRun) -> None:
    await asyncio.sleep(60)


@pytest.mark.req("OV-64")
def test_says_which_queues_it_takes_jobs_from(make: Make) -> None:
    make(_forever, queues=["runs.overlay", "chores"])

    (info,) = wired.ports().signals.workers()

    assert info.queues == ("chores", "runs.overlay")


def test_as_many_runs_as_slots_wait_on_one_loop_and_no_more(make: Make, start: StartRun) -> None:
    executor = make(_forever, slots=200)
    runs = [start(session_id=f"s-{n}") for n in range(201)]

    taken = [executor.take(run.pk) for run in runs]

    assert taken == [True] * 200 + [False]
    until(lambda: Run.objects.filter(status="running").count() == 200)
    names = [thread.name for thread in threading.enumerate()]
    assert sum("taskmapr-runs" in name for name in names) == 1
    assert len(names) < 40


def test_a_free_slot_is_taken_again(make: Make, start: StartRun) -> None:
    async def at_once(held: HeldRun) -> None:
        """Nothing to do."""

    executor = make(at_once, slots=1)
    for n in range(3):
        run = start(session_id=f"s-{n}")
        until(lambda run=run: executor.take(run.pk))
        until(lambda run=run: refreshed(run).status == "succeeded")


def test_cancelling_reaches_the_writer_by_its_bell(
    make: Make, start: StartRun, settings: Any
) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "sign_every_s": 60}
    executor = make(_forever)
    run = begun(executor, start())

    run_cancel(run_id=run.pk, by="ada")

    ended = until(lambda: refreshed(run).is_final and refreshed(run))
    assert (ended.status, ended.reason) == ("cancelled", "cancelled_by_user")


def test_a_lost_bell_costs_time_and_nothing_else(make: Make, start: StartRun) -> None:
    executor = make(_forever)
    run = begun(executor, start())

    # As if the bell had been rung while Redis was away: only the row is there.
    Command.objects.create(run=run, kind="cancel", by="ada", data={"reason": "enough"})

    ended = until(lambda: refreshed(run).is_final and refreshed(run))
    assert ended.reason == "enough"


@pytest.mark.parametrize("kind", [CommandKind.ANSWER, CommandKind.APPROVE, CommandKind.TOOL_RESULT])
def test_an_engine_is_told_what_others_say(make: Make, start: StartRun, kind: CommandKind) -> None:
    heard: list[Any] = []

    async def listen(held: HeldRun) -> None:
        heard.append(await held.inbox.get())

    executor = make(listen)
    run = begun(executor, start())

    command_send(run_id=run.pk, kind=kind, by="ada", data={"call_id": "c1", "result": 7})

    until(lambda: refreshed(run).status == "succeeded")
    assert heard == [(kind, "ada", {"call_id": "c1", "result": 7})]
    assert "command.received" in kinds(run)


def test_a_run_that_another_worker_took_is_left_without_a_word(make: Make, start: StartRun) -> None:
    executor = make(_forever)
    run = begun(executor, start())

    Run.objects.filter(pk=run.pk).update(lease_owner="other", lease_token=99)

    until(lambda: not executor._held)
    assert refreshed(run).status == "running"
    assert kinds(run) == ["run.created", "run.started"]


@pytest.mark.req("OV-23")
def test_a_run_that_nobody_reads_is_cancelled_after_the_grace(
    make: Make, start: StartRun, settings: Any
) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "disconnect_grace_s": 0.5}
    executor = make(_forever)
    run = start()

    executor.take(run.pk)

    ended = until(lambda: refreshed(run).is_final and refreshed(run))
    assert (ended.status, ended.reason) == ("cancelled", "client_disconnected")


class BlinkingStandby(RedisStandby):
    """Cannot be reached the first time that something is to be remembered."""

    was_away = False

    def remember(self, *args: Any, **kwargs: Any) -> None:
        if not self.was_away:
            self.was_away = True
            raise QueueUnavailable
        super().remember(*args, **kwargs)


@pytest.mark.req("OV-63")
def test_owners_of_sessions_are_remembered_although_redis_was_away(
    make: Make, start: StartRun, redis_url: str
) -> None:
    with Redis.from_url(redis_url, socket_timeout=2) as client:
        standby = BlinkingStandby(client)
        wired.wire(replace(wired.ports(), standby=standby))

        run = begun(make(_forever), start())

        until(lambda: standby.recall(owner_key(run.session_id or "")) == str(run.owner_id))
        assert standby.was_away


def test_a_clean_stop_hands_back_what_is_not_done_in_time(make: Make, start: StartRun) -> None:
    executor = make(_forever)
    run = begun(executor, start())

    executor.stop()

    left = refreshed(run)
    assert (left.status, left.lease_owner) == ("running", "")
    assert left.lease_expires_at is not None
    assert not executor.take(run.pk)
    executor.stop = lambda: None  # type: ignore[method-assign] - the fixture would stop it again


@pytest.mark.req("IN-40")
def test_the_end_of_a_run_with_a_callback_calls_for_its_sending(
    make: Make, start: StartRun, queue: RecordingQueue
) -> None:
    async def at_once(held: HeldRun) -> None:
        """Nothing to do."""

    executor = make(at_once)
    run, other = start(), start(session_id="s-2")
    with told():
        delivery = registered(run, "https://hooks.example.com/")
        executor.take(other.pk)
        until(lambda: refreshed(other).status == "succeeded")
        executor.take(run.pk)

        send = (jobs.DELIVERIES_SEND, (), jobs.QUEUE_DELIVERIES)
        until(lambda: send in queue.jobs)

    assert queue.jobs.count(send) == 1
    assert Delivery.objects.get(pk=delivery.pk).status == "pending"


@pytest.mark.req("TQ-18")
def test_what_waits_behind_a_job_is_taken_as_far_as_slots_are_free(
    make: Make, start: StartRun, redis_url: str
) -> None:
    executor = make(_forever, slots=3)
    runs = [start(session_id=f"s-{n}") for n in range(5)]
    queue = wiring.build().queue
    wired.wire(replace(wired.ports(), queue=queue))
    for run in runs[1:]:
        queue.enqueue(jobs.RUN_EXECUTE, str(run.pk), queue="tests.crowd")

    executor.take(runs[0].pk)
    executor.take_waiting("tests.crowd")

    until(lambda: Run.objects.filter(status="running").count() == 3)
    left = queue.take(jobs.RUN_EXECUTE, queue="tests.crowd", most=9)
    assert left == [[str(run.pk)] for run in runs[3:]]
    executor.take_waiting("tests.crowd")  # no slot is free, so nothing is asked for
