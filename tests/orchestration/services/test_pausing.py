from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from uuid import UUID

import pytest

from orchestration.models import Approval, Run
from orchestration.models.approval import ApprovalAsks
from orchestration.services import pausing
from orchestration.services.leases import Claim, lease_claim
from orchestration.services.pausing import (
    approval_open,
    approval_resolve,
    approvals_expire,
    run_pause,
)
from taskmapr.core.errors import AlreadyResolved, InvalidInput, NotFound
from taskmapr.core.events import ApprovalRequested, ModelResponded, RunPaused, ToolStarted
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from tests.fakes import RecordingQueue
from tests.orchestration.conftest import StartRun
from tests.orchestration.logs import assert_replay_equals_row, kinds, state, write

Hold = Callable[[UUID], Claim]
CALL = {"call_id": "c1", "name": "device.run", "arguments": "{}"}


def _ask(claim: Claim, asks: ApprovalAsks = ApprovalAsks.APPROVAL) -> Approval:
    return approval_open(
        run_id=claim.run_id,
        asks=asks,
        question={"prompt": "May it?", "args": {}},
        call_id="c1",
        tool="device.run",
        fingerprint="f" * 64,
    )


@pytest.fixture
def paused(start: StartRun, hold: Hold) -> tuple[Run, Approval]:
    """A run that waits for leave, as its worker left it."""
    run = start()
    claim = hold(run.pk)
    approval = _ask(claim)
    write(
        claim,
        ModelResponded(step=1, model="m", duration_ms=1, calls=[CALL]),
        ToolStarted(call_id="c1", tool="device.run", step=1),
        _requested(approval),
        RunPaused(approval_ids=[str(approval.pk)]),
    )
    run_pause(run_id=run.pk, lease_token=claim.lease_token, last_seq=state(run).seq)
    run.refresh_from_db()
    return run, approval


def _requested(approval: Approval) -> ApprovalRequested:
    return ApprovalRequested(
        approval_id=str(approval.pk),
        asks=approval.asks,  # type: ignore[arg-type]
        expires_at=approval.expires_at.isoformat(),
        call_id="c1",
        tool="device.run",
        fingerprint=approval.fingerprint,
    )


def test_a_paused_run_is_held_by_nobody_and_not_to_be_had(paused: tuple[Run, Approval]) -> None:
    run, _ = paused

    assert (run.status, run.lease_owner, run.lease_expires_at) == ("paused", "", None)
    assert lease_claim(run_id=run.pk, worker_id="w2") is None
    assert_replay_equals_row(run)


def test_an_answer_queues_the_run_again(
    paused: tuple[Run, Approval],
    queue: RecordingQueue,
    django_capture_on_commit_callbacks: Callable[..., object],
) -> None:
    run, approval = paused
    deadline = run.deadline_at

    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        approval_resolve(approval_id=approval.pk, decision="approved", by="ada")

    run.refresh_from_db()
    assert kinds(run)[-2:] == ["approval.resolved", "run.resumed"]
    assert run.status == "queued"
    assert queue.run_ids == [run.pk, run.pk]
    assert run.deadline_at > deadline
    assert_replay_equals_row(run)
    claim = lease_claim(run_id=run.pk, worker_id="w2")
    assert claim is not None
    assert claim.attempt == 2


def test_an_answer_given_before_the_pause_is_not_lost(start: StartRun, hold: Hold) -> None:
    run = start()
    claim = hold(run.pk)
    approval = _ask(claim)
    write(claim, _requested(approval))

    approval_resolve(approval_id=approval.pk, decision="denied", by="ada")
    assert kinds(run)[-1] == "approval.requested"
    write(claim, RunPaused(approval_ids=[str(approval.pk)]))
    run_pause(run_id=run.pk, lease_token=claim.lease_token, last_seq=state(run).seq)

    run.refresh_from_db()
    assert run.status == "queued"
    assert kinds(run)[-3:] == ["run.paused", "approval.resolved", "run.resumed"]


def test_a_question_is_answered_once(paused: tuple[Run, Approval]) -> None:
    _, approval = paused
    approval_resolve(approval_id=approval.pk, decision="approved", by="ada")

    with pytest.raises(AlreadyResolved):
        approval_resolve(approval_id=approval.pk, decision="denied", by="ada")

    approval.refresh_from_db()
    assert approval.status == "approved"


@pytest.mark.parametrize("decision", ["answered", "happened"])
def test_a_decision_must_fit_the_question(paused: tuple[Run, Approval], decision: str) -> None:
    run, approval = paused

    with pytest.raises(InvalidInput):
        approval_resolve(approval_id=approval.pk, decision=decision, by="ada", answer="yes")  # type: ignore[arg-type]

    approval.refresh_from_db()
    run.refresh_from_db()
    assert (approval.status, run.status) == ("open", "paused")


def test_a_stranger_finds_no_question(paused: tuple[Run, Approval], cyd: User) -> None:
    _, approval = paused

    with pytest.raises(NotFound):
        approval_resolve(approval_id=approval.pk, decision="approved", by="cyd", owner_id=cyd.pk)
    with pytest.raises(NotFound):
        approval_resolve(approval_id=uuid7(), decision="approved", by="cyd")

    approval.refresh_from_db()
    assert approval.status == "open"


def test_a_question_that_nobody_answers_expires_and_the_run_goes_on(
    paused: tuple[Run, Approval],
) -> None:
    run, approval = paused
    assert approvals_expire() == 0
    Approval.objects.filter(pk=approval.pk).update(
        expires_at=datetime.now(UTC) - timedelta(seconds=1)
    )

    assert approvals_expire() == 1

    approval.refresh_from_db()
    run.refresh_from_db()
    assert (approval.status, approval.resolved_by) == ("expired", "clock")
    assert run.status == "queued"


@pytest.mark.req("IN-53")
def test_a_clock_that_is_behind_shortens_no_question(
    start: StartRun, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Behind(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) - timedelta(days=2)

    claim = hold(start().pk)
    monkeypatch.setattr(pausing, "datetime", Behind)

    approval = _ask(claim)

    left = approval.expires_at - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(hours=24)


def test_asking_again_after_a_lost_worker_asks_the_same(start: StartRun, hold: Hold) -> None:
    claim = hold(start().pk)

    assert _ask(claim).pk == _ask(claim).pk
