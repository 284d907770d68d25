from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from orchestration.log.endings import Totals, Verdict, last_events
from orchestration.log.store import events_after, events_all
from orchestration.log.wire import encode, pack
from orchestration.models import Message, Run
from orchestration.services.leases import Claim, lease_claim, lease_hand_back
from orchestration.services.recovery import runs_recover
from orchestration.services.run_end import run_cancel
from taskmapr.core.errors import AlreadyFinished, TimedOut
from taskmapr.core.events import ReasoningDelta, ReasoningStarted, TextDelta
from taskmapr.core.ports import WorkerInfo
from taskmapr.core.run_state import fold
from tests.fakes import RecordingLog, RecordingQueue, RecordingSignals
from tests.orchestration.conftest import StartRun
from tests.orchestration.logs import assert_replay_equals_row, events_of, kinds, write

Hold = Callable[[UUID], Claim]
WORKER = WorkerInfo(worker_id="w2", running=0, slots=1, host="h", pid=1)


def _lapse(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(lease_expires_at=datetime.now(UTC) - timedelta(seconds=1))


def _age(run: Run, **span: float) -> None:
    Run.objects.filter(pk=run.pk, enqueued_at__isnull=False).update(
        enqueued_at=datetime.now(UTC) - timedelta(**span)
    )
    Run.objects.filter(pk=run.pk).update(created_at=datetime.now(UTC) - timedelta(**span))


def test_a_run_with_a_living_worker_is_left_alone(start: StartRun, hold: Hold) -> None:
    run = start()
    write(hold(run.pk))

    assert not any(runs_recover().values())
    assert kinds(run) == ["run.created", "run.started"]


@pytest.mark.req("OV-65")
def test_a_lost_run_without_text_goes_to_another_worker(
    start: StartRun, hold: Hold, queue: RecordingQueue
) -> None:
    run = start()
    write(hold(run.pk), ReasoningStarted(), ReasoningDelta(text="hm"))
    _lapse(run)

    assert runs_recover()["resumed"] == 1

    assert kinds(run)[-2:] == ["reasoning.completed", "run.retrying"]
    assert_replay_equals_row(run)
    assert queue.run_ids == [run.pk, run.pk]
    claim = lease_claim(run_id=run.pk, worker_id="w2")
    assert claim is not None
    assert (claim.attempt, claim.lease_token) == (2, 3)


def test_a_run_whose_worker_died_before_its_first_word_is_queued_again(
    start: StartRun, hold: Hold, queue: RecordingQueue
) -> None:
    run = start()
    hold(run.pk)
    _lapse(run)

    assert runs_recover()["resumed"] == 1

    assert kinds(run) == ["run.created"]
    assert_replay_equals_row(run)
    assert queue.run_ids == [run.pk, run.pk]
    assert lease_claim(run_id=run.pk, worker_id="w2") is not None


@pytest.mark.req("OV-65")
def test_a_lost_run_that_had_spoken_ends_as_worker_lost(start: StartRun, hold: Hold) -> None:
    run = start()
    write(hold(run.pk), TextDelta(text="Half an"))
    _lapse(run)

    assert runs_recover()["lost"] == 1

    run.refresh_from_db()
    assert (run.status, run.error_code) == ("failed", "worker_lost")
    assert kinds(run)[-3:] == ["error", "metadata", "run.finished"]
    assert_replay_equals_row(run)
    answer = Message.objects.get(run=run, role="assistant")
    assert (answer.content, answer.is_partial) == ("Half an", True)


@pytest.mark.req("OV-65")
def test_what_a_lost_worker_told_only_redis_is_stored_first(
    start: StartRun, hold: Hold, live_log: RecordingLog
) -> None:
    run = start()
    claim = hold(run.pk)
    write(claim, TextDelta(text="Half"))
    have = events_after(run.pk, 0)[-1].seq
    left = events_of(run.pk, [TextDelta(text=" an answer")], after=have)
    live_log.left[run.pk] = [pack(encode(event) for event in left)]
    _lapse(run)

    runs_recover()

    assert Message.objects.get(run=run, role="assistant").content == "Half an answer"
    assert live_log.fences[run.pk] == claim.lease_token + 1
    assert_replay_equals_row(run)


@pytest.mark.req("OV-65", "OV-01")
@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict(), ""),
        (Verdict(error=TimedOut("Too long.")), "timed_out"),
        (Verdict(cancel_reason="cancelled_by_user"), ""),
    ],
)
def test_an_end_that_only_redis_was_told_is_the_end(
    start: StartRun, hold: Hold, live_log: RecordingLog, verdict: Verdict, code: str
) -> None:
    """Readers have seen it: nobody begins that run again."""
    run = start()
    write(hold(run.pk), TextDelta(text="All of it."))
    have = events_after(run.pk, 0)[-1].seq
    state = fold(events_all(run.pk, None))
    totals = Totals(model="m-1", started_at=run.created_at, first_output_ms=7)
    left = events_of(run.pk, last_events(state, verdict, totals), after=have)
    live_log.left[run.pk] = [pack(encode(event) for event in left)]
    _lapse(run)

    assert runs_recover()["moved_on"] == 1

    run.refresh_from_db()
    assert (run.status, run.error_code, run.reason) == (verdict.status, code, verdict.cancel_reason)
    assert (run.model, run.first_output_ms, run.lease_owner) == ("m-1", 7, "")
    assert kinds(run).count("run.finished") == 1
    assert_replay_equals_row(run)
    answer = Message.objects.get(run=run, role="assistant")
    assert (answer.content, answer.is_partial) == ("All of it.", verdict != Verdict())
    assert not any(runs_recover().values())


@pytest.mark.req("OV-65")
def test_who_cancels_a_run_that_has_told_its_end_changes_nothing(
    start: StartRun, hold: Hold, live_log: RecordingLog
) -> None:
    run = start()
    write(hold(run.pk))
    have = events_after(run.pk, 0)[-1].seq
    totals = Totals(model="m-1", started_at=run.created_at)
    left = last_events(fold(events_all(run.pk, None)), Verdict(), totals)
    live_log.left[run.pk] = [pack(encode(event) for event in events_of(run.pk, left, after=have))]
    _lapse(run)

    with pytest.raises(AlreadyFinished):
        run_cancel(run_id=run.pk, by="ada")

    run.refresh_from_db()
    assert run.status == "succeeded"
    assert kinds(run).count("run.finished") == 1


def test_a_gap_in_what_redis_has_ends_the_drain(
    start: StartRun, hold: Hold, live_log: RecordingLog
) -> None:
    run = start()
    write(hold(run.pk), TextDelta(text="Half"))
    have = events_after(run.pk, 0)[-1].seq
    beyond = events_of(run.pk, [TextDelta(text=" lost")], after=have + 1)
    live_log.left[run.pk] = [pack(encode(event) for event in beyond)]
    _lapse(run)

    runs_recover()

    assert Message.objects.get(run=run, role="assistant").content == "Half"


def test_a_run_is_not_taken_up_for_ever(start: StartRun, hold: Hold) -> None:
    run = start()
    for _ in range(3):
        claim = lease_claim(run_id=run.pk, worker_id="w1")
        assert claim is not None
        write(claim)
        _lapse(run)
        runs_recover()

    run.refresh_from_db()
    assert (run.status, run.error_code, run.attempt) == ("failed", "worker_lost", 3)


@pytest.mark.req("TQ-18", "TQ-19")
@pytest.mark.parametrize(("is_handed_back", "status"), [(True, "retrying"), (False, "failed")])
def test_a_task_without_retries_outlives_a_worker_that_stops_in_order(
    start: StartRun, hold: Hold, is_handed_back: bool, status: str
) -> None:
    run = start(kind="task", subject="test_task", session_id=None, prompt="", max_attempts=1)
    claim = hold(run.pk)
    write(claim)
    if is_handed_back:
        lease_hand_back(run_id=run.pk, lease_token=claim.lease_token)
    else:
        _lapse(run)

    runs_recover()

    run.refresh_from_db()
    assert run.status == status


def test_a_lost_run_past_its_deadline_times_out(start: StartRun, hold: Hold) -> None:
    run = start()
    write(hold(run.pk))
    Run.objects.filter(pk=run.pk).update(deadline_at=datetime.now(UTC) - timedelta(seconds=1))
    _lapse(run)

    runs_recover()

    run.refresh_from_db()
    assert (run.status, run.error_code) == ("timed_out", "timed_out")


@pytest.mark.req("OV-64")
def test_a_run_that_no_worker_takes_fails(start: StartRun) -> None:
    run = start()
    _age(run, seconds=31)

    assert runs_recover()["unclaimed"] == 1

    run.refresh_from_db()
    assert (run.status, run.error_code) == ("failed", "no_worker")


@pytest.mark.req("OV-64", "TQ-15")
def test_a_begun_run_that_no_other_worker_takes_up_is_not_said_to_be_untouched(
    start: StartRun, hold: Hold
) -> None:
    run = start()
    write(hold(run.pk))
    _lapse(run)
    runs_recover()
    _age(run, seconds=31)

    assert runs_recover()["unclaimed"] == 1

    run.refresh_from_db()
    assert (run.status, run.error_code) == ("failed", "worker_lost")


@pytest.mark.req("OV-64")
def test_a_worker_that_serves_other_queues_is_none_for_this_run(
    start: StartRun, queue: RecordingQueue, signals: RecordingSignals
) -> None:
    run = start()
    signals.alive = [replace(WORKER, queues=("chores",))]
    _age(run, seconds=31)

    counts = runs_recover()

    assert (counts["unclaimed"], counts["requeued"]) == (1, 0)
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("failed", "no_worker")


@pytest.mark.req("OV-64")
def test_a_worker_that_serves_the_runs_queue_is_waited_for(
    start: StartRun, queue: RecordingQueue, signals: RecordingSignals
) -> None:
    run = start()
    signals.alive = [replace(WORKER, queues=("chores", "runs.overlay"))]
    _age(run, seconds=31)

    counts = runs_recover()

    assert (counts["unclaimed"], counts["requeued"]) == (0, 1)


@pytest.mark.req("OV-64")
def test_a_run_whose_job_was_lost_is_queued_again_while_workers_live(
    start: StartRun, queue: RecordingQueue, signals: RecordingSignals
) -> None:
    run = start()
    signals.alive = [WORKER]
    _age(run, seconds=31)

    assert runs_recover()["requeued"] == 1

    run.refresh_from_db()
    assert run.status == "queued"
    assert queue.run_ids == [run.pk, run.pk]
    assert runs_recover()["requeued"] == 0


def test_a_run_that_waits_behind_others_is_not_queued_twice(
    start: StartRun, queue: RecordingQueue, signals: RecordingSignals
) -> None:
    run = start()
    signals.alive = [WORKER]
    signals.depth = 40
    _age(run, seconds=300)

    assert runs_recover()["requeued"] == 0

    assert queue.run_ids == [run.pk]


def test_a_waiting_run_whose_session_is_free_gets_its_turn(
    start: StartRun, queue: RecordingQueue
) -> None:
    first, waiting = start(), start()
    # As if the process that ended the first run had died before it said so.
    finished: dict[str, Any] = {"status": "cancelled", "finished_at": datetime.now(UTC)}
    Run.objects.filter(pk=first.pk).update(**finished)
    _age(waiting, seconds=11)

    assert runs_recover()["freed"] == 1

    assert queue.run_ids == [first.pk, waiting.pk]
