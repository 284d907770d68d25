"""A run that is cancelled while its worker is about to leave it ends, whoever has it next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest

from orchestration.log.endings import Totals, Verdict, last_events
from orchestration.log.wire import encode, pack
from orchestration.models import Approval, Command, Run
from orchestration.models.approval import ApprovalAsks
from orchestration.services.leases import Claim, commands_take, lease_hand_back, run_put_off
from orchestration.services.pausing import approval_open, approval_resolve, run_pause
from orchestration.services.recovery import runs_recover
from orchestration.services.run_end import run_cancel
from taskmapr.core.errors import AlreadyFinished, AlreadyResolved
from taskmapr.core.events import ApprovalRequested, RunPaused, RunRetrying, TextDelta
from taskmapr.core.ids import uuid7
from tests.fakes import RecordingLog, RecordingQueue
from tests.orchestration.conftest import StartRun
from tests.orchestration.logs import assert_replay_equals_row, events_of, state, write

Hold = Callable[[UUID], Claim]


def _cancelled(run: Run, *, is_heard: bool = True) -> None:
    """The worker is told, and is too far to do anything."""
    run_cancel(run_id=run.pk, by="ada")
    assert len(commands_take([run.pk]) if is_heard else Command.objects.all()) == 1


def _question(run: Run) -> Approval:
    return approval_open(
        run_id=run.pk, asks=ApprovalAsks.QUESTION, question={"prompt": "Which?"}, call_id="c1"
    )


def _asked(claim: Claim, approval: Approval) -> None:
    expires_at = approval.expires_at.isoformat()
    asked = ApprovalRequested(
        approval_id=str(approval.pk), asks="question", expires_at=expires_at, prompt="Which?"
    )
    write(claim, asked, RunPaused(approval_ids=[str(approval.pk)]))


@pytest.mark.req("TQ-17", "IN-11")
@pytest.mark.parametrize("kind", ["overlay", "intent"])
@pytest.mark.parametrize("is_heard", [True, False])
def test_when_it_pauses(start: StartRun, hold: Hold, kind: str, is_heard: bool) -> None:
    run = start(kind=kind, session_id=None)
    claim = hold(run.pk)
    approval = _question(run)
    _asked(claim, approval)
    _cancelled(run, is_heard=is_heard)

    run_pause(run_id=run.pk, lease_token=claim.lease_token, last_seq=state(run).seq)

    assert_replay_equals_row(run)
    assert (run.status, run.reason) == ("cancelled", "cancelled_by_user")
    approval.refresh_from_db()
    assert approval.status == "withdrawn"


@pytest.mark.req("TQ-17")
def test_when_it_waits_for_its_next_attempt(start: StartRun, hold: Hold) -> None:
    run = start()
    claim = hold(run.pk)
    write(claim, RunRetrying(attempt=2, reason="busy", delay_s=60))
    _cancelled(run)

    run_put_off(run_id=run.pk, lease_token=claim.lease_token, last_seq=state(run).seq, delay_s=60)

    assert_replay_equals_row(run)
    assert (run.status, run.reason) == ("cancelled", "cancelled_by_user")


def test_nobody_cancels_a_run_that_only_waits(start: StartRun, hold: Hold) -> None:
    run = start()
    claim = hold(run.pk)
    write(claim, RunRetrying(attempt=2, reason="busy", delay_s=60))

    run_put_off(run_id=run.pk, lease_token=claim.lease_token, last_seq=state(run).seq, delay_s=60)

    run.refresh_from_db()
    assert (run.status, run.lease_owner, run.enqueued_at) == ("retrying", "", None)


@pytest.mark.req("TQ-17")
def test_when_its_worker_stops(start: StartRun, hold: Hold, queue: RecordingQueue) -> None:
    run = start()
    claim = hold(run.pk)
    write(claim)
    _cancelled(run)
    lease_hand_back(run_id=run.pk, lease_token=claim.lease_token)
    Run.objects.update(lease_expires_at=None)

    runs_recover()

    assert_replay_equals_row(run)
    assert (run.status, run.reason) == ("cancelled", "cancelled_by_user")
    assert queue.run_ids == [run.pk], "nobody is to go on with it"


# The end was told, and the row does not say so yet -----------------------------------------------


@pytest.fixture
def ended(start: StartRun, hold: Hold, live_log: RecordingLog) -> Run:
    """A held run whose end readers have heard."""
    run = start()
    write(hold(run.pk), TextDelta(text="Done."))
    so_far = state(run)
    totals = Totals(model="m-1", started_at=datetime.now(UTC))
    left = last_events(so_far, Verdict(), totals)
    live_log.left[run.pk] = [pack(encode(e) for e in events_of(run.pk, left, after=so_far.seq))]
    return run


@pytest.mark.req("TQ-17", "IN-11")
def test_nobody_is_told_to_cancel_what_is_over(ended: Run) -> None:
    with pytest.raises(AlreadyFinished) as refused:
        run_cancel(run_id=ended.pk, by="ada")

    assert refused.value.details == {"status": "succeeded"}
    assert not Command.objects.exists()


def test_nobody_answers_what_is_over(ended: Run) -> None:
    approval = _question(ended)

    with pytest.raises(AlreadyResolved):
        approval_resolve(approval_id=approval.pk, decision="answered", by="ada", answer="this")

    approval.refresh_from_db()
    assert approval.status == "open"


def test_others_are_cancelled_as_ever(ended: Run, start: StartRun, hold: Hold) -> None:
    other = start(run_id=uuid7(), session_id="s-2")
    hold(other.pk)

    run_cancel(run_id=other.pk, by="ada")

    assert Command.objects.get().run_id == other.pk
