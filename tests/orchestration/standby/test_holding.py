from __future__ import annotations

import time
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from redis import Redis

from orchestration.adapters.redis_standby import RedisStandby
from orchestration.log.endings import Verdict
from orchestration.log.store import RunBatch
from orchestration.log.wire import encode
from orchestration.standby import ending
from orchestration.standby.ending import standby_cancel, standby_fail_unclaimed, standby_sweep
from orchestration.standby.holding import (
    standby_batches_write,
    standby_commands_take,
    standby_hand_back,
    standby_lease_claim,
    standby_leases_renew,
)
from orchestration.standby.reading import standby_history, standby_messages_before
from orchestration.standby.records import events_key
from orchestration.standby.rows import standby_events, standby_run
from taskmapr.core import wired
from taskmapr.core.errors import AlreadyFinished, QueueUnavailable, RunNotFound
from taskmapr.core.events import Event, RunStarted, TextDelta
from taskmapr.core.run_state import fold
from taskmapr.users.models import User
from tests.fakes import RecordingLog, RecordingQueue, RecordingSignals
from tests.orchestration.standby.conftest import Begin, claimed, finish, write

pytestmark = pytest.mark.req("OV-63")


def test_a_run_is_claimed_once(begin: Begin) -> None:
    run_id = begin().run_id

    claim = claimed(run_id)

    assert (claim.attempt, claim.lease_token, claim.input) == (1, 1, {"prompt": "Hello"})
    assert [event.kind for event in claim.events] == ["run.created"]
    assert standby_lease_claim(run_id=run_id, worker_id="w2") is None


def test_its_turn_has_to_come_first(begin: Begin) -> None:
    begin()
    waiting = begin().run_id

    assert standby_lease_claim(run_id=waiting, worker_id="w1") is None


def test_what_is_written_twice_is_kept_once(begin: Begin) -> None:
    claim = claimed(begin().run_id)
    write(claim, RunStarted(attempt=1, worker="w1"))

    write(claim, RunStarted(attempt=1, worker="w1"), TextDelta(text="Hi"))

    assert [e.kind for e in standby_events(claim.run_id, 0)] == [
        "run.created",
        "run.started",
        "text.delta",
    ]


def test_who_lost_the_lease_is_fenced_off(begin: Begin) -> None:
    claim = claimed(begin().run_id)
    standby_hand_back(run_id=claim.run_id, lease_token=claim.lease_token)
    assert standby_sweep() == 1

    late = Event(claim.run_id, 2, "text.delta", {"text": "late"}, claim.created_at)
    batch = RunBatch(run_id=claim.run_id, lease_token=claim.lease_token, events=[encode(late)])

    assert standby_batches_write([batch]) == ({claim.run_id}, [])
    assert "late" not in str(standby_events(claim.run_id, 0))
    assert standby_leases_renew(worker_id="w1", run_ids=[claim.run_id]) == set()


@pytest.mark.req("OV-65")
def test_a_lost_worker_ends_its_run_with_what_it_said(begin: Begin, live_log: RecordingLog) -> None:
    claim = claimed(begin().run_id)
    write(claim, RunStarted(attempt=1, worker="w1"), TextDelta(text="Half"))
    standby_hand_back(run_id=claim.run_id, lease_token=claim.lease_token)

    assert standby_sweep() == 1

    state = fold(standby_events(claim.run_id, 0))
    assert (state.status, state.error_code) == ("failed", "worker_lost")
    assert live_log.parcels[-1].is_terminal
    assert live_log.fences[claim.run_id] == claim.lease_token + 1
    assert standby_sweep() == 0


def test_a_held_run_is_told_to_stop_and_others_stop_at_once(
    begin: Begin, ada: User, signals: RecordingSignals
) -> None:
    claim = claimed(begin().run_id)
    queued = begin().run_id

    standby_cancel(run_id=claim.run_id, user_id=ada.pk, by="ada")
    standby_cancel(run_id=queued, user_id=ada.pk, by="ada")

    ((run_id, kind, by, data),) = standby_commands_take([claim.run_id])
    assert (run_id, kind.value, by) == (claim.run_id, "cancel", "ada")
    assert data == {"reason": "cancelled_by_user"}
    assert signals.bells == [("w1", claim.run_id)]
    assert standby_run(queued)["status"] == "cancelled"
    with pytest.raises(AlreadyFinished):
        standby_cancel(run_id=queued, user_id=ada.pk, by="ada")


def test_a_stranger_cannot_stop_or_read(begin: Begin, cyd: User) -> None:
    run_id = begin().run_id

    with pytest.raises(RunNotFound):
        standby_cancel(run_id=run_id, user_id=cyd.pk, by="cyd")
    with pytest.raises(RunNotFound):
        standby_run(run_id, user_id=cyd.pk)


@pytest.mark.req("OV-64")
def test_a_run_that_nobody_takes_fails(begin: Begin, settings: Any) -> None:
    run_id, waiting = begin().run_id, begin().run_id
    assert not standby_fail_unclaimed(run_id=run_id)
    settings.TASKMAPR = {**settings.TASKMAPR, "no_worker_after_s": 0}

    assert not standby_fail_unclaimed(run_id=waiting)
    assert standby_fail_unclaimed(run_id=run_id)

    assert fold(standby_events(run_id, 0)).error_code == "no_worker"


def test_a_run_whose_job_was_lost_is_queued_again_once(
    begin: Begin, queue: RecordingQueue, settings: Any
) -> None:
    run_id = begin().run_id
    queue.jobs.clear()
    standby_sweep()
    assert queue.run_ids == []
    settings.TASKMAPR = {**settings.TASKMAPR, "no_worker_after_s": 0.01}
    time.sleep(0.03)

    standby_sweep()
    settings.TASKMAPR = {**settings.TASKMAPR, "no_worker_after_s": 30}
    standby_sweep()

    assert queue.run_ids == [run_id]


def test_a_turn_remembers_the_ones_before(begin: Begin, ada: User) -> None:
    first, second = begin().run_id, begin(prompt="And?").run_id
    finish(first, "One.")

    earlier = standby_messages_before(session_id="s-1", run_id=second)

    assert [(m.role, m.content) for m in earlier] == [("user", "Hello"), ("assistant", "One.")]


def test_history_pages_backwards(begin: Begin, ada: User) -> None:
    for prompt in ("a", "b", "c"):
        finish(begin(prompt=prompt).run_id, prompt.upper())

    page, before = standby_history(session_id="s-1", user_id=ada.pk, limit=2, before=None)
    assert [m.content for m in page] == ["c", "C"]
    rest, end = standby_history(session_id="s-1", user_id=ada.pk, limit=9, before=before)
    assert [m.content for m in rest] == ["a", "A", "b", "B"]
    assert end is None


def test_a_cancelled_run_keeps_its_partial_answer(begin: Begin, ada: User) -> None:
    claim = claimed(begin().run_id)
    write(
        claim,
        RunStarted(attempt=1, worker="w1"),
        TextDelta(text="Half"),
        verdict=Verdict(cancel_reason="client_disconnected"),
    )

    page, _ = standby_history(session_id="s-1", user_id=ada.pk, limit=9, before=None)
    assert [(m.content, m.is_partial) for m in page] == [("Hello", False), ("Half", True)]


class LosingStandby(RedisStandby):
    """Loses the connection once: before a change arrives, or before its answer does."""

    loses: str = ""

    def update(self, *args: Any, **kwargs: Any) -> Any:
        loses, self.loses = self.loses, ""
        if loses == "the change":
            raise QueueUnavailable
        result = super().update(*args, **kwargs)
        if loses == "the answer":
            raise QueueUnavailable
        return result


@pytest.mark.parametrize("lost", ["the change", "the answer"])
def test_a_write_that_redis_did_not_confirm_is_there_once(
    begin: Begin, ada: User, redis_url: str, lost: str
) -> None:
    run_id, waiting = begin().run_id, begin().run_id
    claim = claimed(run_id)
    with Redis.from_url(redis_url, socket_timeout=2) as client:
        losing = LosingStandby(client)
        wired.wire(replace(wired.ports(), standby=losing))
        losing.loses = lost
        told = (RunStarted(attempt=1, worker="w1"), TextDelta(text="Hi"))
        with pytest.raises(QueueUnavailable):
            write(claim, *told, verdict=Verdict())

        successors = write(claim, *told, verdict=Verdict())

    log = standby_events(run_id, 0)
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    assert fold(log).status == "succeeded"
    assert successors == [waiting]
    page, _ = standby_history(session_id="s-1", user_id=ada.pk, limit=9, before=None)
    assert [m.content for m in page] == ["Hello", "Hi", "Hello"]


def claim_it_in_between(monkeypatch: pytest.MonkeyPatch, run_id: UUID) -> None:
    """A worker takes the run after it was fenced for its end, and before the end is written."""
    read, taken = ending.standby_events, []

    def reading(which: UUID, after: int) -> list[Event]:
        if not taken:
            taken.append(standby_lease_claim(run_id=run_id, worker_id="w2"))
        return read(which, after)

    monkeypatch.setattr(ending, "standby_events", reading)


def test_a_run_that_is_taken_while_it_is_ended_goes_on(
    begin: Begin, live_log: RecordingLog, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = begin().run_id
    settings.TASKMAPR = {**settings.TASKMAPR, "no_worker_after_s": 0}
    claim_it_in_between(monkeypatch, run_id)

    assert not standby_fail_unclaimed(run_id=run_id)

    assert standby_run(run_id)["status"] == "running"
    assert [parcel for parcel in live_log.parcels if parcel.is_terminal] == []


def test_a_run_that_is_taken_while_it_is_cancelled_is_told(
    begin: Begin, ada: User, signals: RecordingSignals, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = begin().run_id
    claim_it_in_between(monkeypatch, run_id)

    standby_cancel(run_id=run_id, user_id=ada.pk, by="ada")

    ((told, kind, _, _),) = standby_commands_take([run_id])
    assert (told, kind.value, signals.bells) == (run_id, "cancel", [("w2", run_id)])


def test_a_run_that_cannot_be_ended_does_not_keep_the_others(
    begin: Begin, store: RedisStandby
) -> None:
    broken, lost = (claimed(begin(session_id=name).run_id) for name in ("s-1", "s-2"))
    store.forget(events_key(broken.run_id))
    for claim in (broken, lost):
        standby_hand_back(run_id=claim.run_id, lease_token=claim.lease_token)

    assert standby_sweep() == 1

    assert standby_run(lost.run_id)["status"] == "failed"
