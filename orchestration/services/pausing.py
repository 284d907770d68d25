"""Runs that wait for a person: asking, answering, going on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Literal, cast
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from orchestration.log.last_words import end_told
from orchestration.log.unheld import RunHeld, UnheldRun, run_lock, run_take_unheld
from orchestration.models import Approval, Run
from orchestration.models.approval import ApprovalAsks, ApprovalStatus
from orchestration.services.run_end import end_if_cancelled, successors_enqueue
from taskmapr.core import wired
from taskmapr.core.errors import AlreadyFinished, AlreadyResolved, InvalidInput, NotFound
from taskmapr.core.events import ApprovalResolved, RunResumed
from taskmapr.core.run_state import PAUSED, RUNNING
from taskmapr.foundation.postgres.clock import database_now

logger = logging.getLogger(__name__)

#: A person has this long, unless the asker says otherwise.
WAIT: Final = timedelta(hours=24)
#: Longest answer in characters.
ANSWER_LENGTH: Final = 8000

Decision = Literal["approved", "denied", "answered", "happened", "not_happened", "expired"]

#: What a person may answer to what; the clock answers everything with `expired`.
DECISIONS: Final[dict[str, frozenset[str]]] = {
    ApprovalAsks.APPROVAL: frozenset({"approved", "denied"}),
    ApprovalAsks.QUESTION: frozenset({"answered"}),
    ApprovalAsks.OUTCOME: frozenset({"happened", "not_happened"}),
    # Only the workflow itself answers this: `flow_resume`.
    ApprovalAsks.FLOW: frozenset(),
    # Only the end of its task: `sequence_steps`.
    ApprovalAsks.STEP: frozenset(),
}


def approval_open(
    *,
    run_id: UUID,
    asks: ApprovalAsks,
    question: dict[str, Any],
    call_id: str = "",
    tool: str = "",
    fingerprint: str = "",
    wait: timedelta = WAIT,
) -> Approval:
    """Ask a person. Asking the same again (after a lost worker) gives the question already open.

    `question`: {prompt, args}, stored sealed where the run is.
    """
    run = Run.objects.only("is_sealed", "owner_id").get(pk=run_id)
    if run.is_sealed:
        question = {"sealed": wired.ports().sealers.for_user(run.owner_id).seal(question)}
    approval, is_new = Approval.objects.get_or_create(
        run_id=run_id,
        asks=asks,
        call_id=call_id,
        fingerprint=fingerprint,
        status=ApprovalStatus.OPEN,
        defaults={
            "tool": tool,
            "question": question,
            # The database's clock, which also says when the time is over.
            "expires_at": Now() + wait,
        },
    )
    if is_new:
        approval.refresh_from_db(fields=["expires_at"])
    return approval


@transaction.atomic
def run_pause(*, run_id: UUID, lease_token: int, last_seq: int) -> None:
    """Give up the lease of a run that waits; its log says so already.

    If everything was answered while the worker still held it, the run goes on at once; if it was
    cancelled, it ends.
    """
    run_lock(run_id)
    paused = Run.objects.filter(pk=run_id, lease_token=lease_token).update(
        status=PAUSED, lease_owner="", lease_expires_at=None, last_seq=last_seq
    )
    if paused:
        held = run_take_unheld(run_id)
        if not end_if_cancelled(held):
            _go_on(held)


@transaction.atomic
def approval_resolve(
    *,
    approval_id: UUID,
    decision: Decision,
    by: str,
    answer: str = "",
    owner_id: UUID | None = None,
) -> Approval:
    """Answer what a run asked. The run goes on when nothing else is open.

    `owner_id` limits the search to that user's runs. Raises NotFound, AlreadyResolved (answered
    before, expired, or the run has ended) and InvalidInput (the decision does not fit the
    question).
    """
    found = Approval.objects.filter(pk=approval_id)
    if owner_id is not None:
        found = found.filter(run__owner_id=owner_id)
    run_id = found.values_list("run_id", flat=True).first()
    if run_id is None:
        raise NotFound("There is no such question.")
    # The run's row is locked before the approval's, here as everywhere.
    run = run_lock(run_id)
    approval = Approval.objects.select_for_update().get(pk=approval_id)
    is_over = run.is_final or (run.status == RUNNING and end_told(run_id) is not None)
    if approval.status != ApprovalStatus.OPEN or is_over:
        raise AlreadyResolved(details={"status": approval.status})
    _check(approval, decision, answer)
    approval_settle(approval=approval, run=run, decision=decision, by=by, answer=answer)
    return approval


def approval_settle(
    *, approval: Approval, run: Run, decision: Decision, by: str, answer: str = ""
) -> None:
    """The same for who has locked the run and then its question, which must be open."""
    _settle(approval, run, decision, by, answer)
    try:
        _go_on(run_take_unheld(run.pk))
    except RunHeld:
        # The worker is about to pause the run; it looks for answers when it does.
        logger.debug("run %s is still held; its worker takes the answer along", run.pk)


def approvals_expire() -> int:
    """Resolve what nobody answered in time. Returns how many."""
    late = Approval.objects.filter(status=ApprovalStatus.OPEN, expires_at__lt=Now())
    count = 0
    for approval_id in late.values_list("pk", flat=True):
        try:
            approval_resolve(approval_id=approval_id, decision="expired", by="clock")
        except (AlreadyResolved, AlreadyFinished):
            continue
        count += 1
    return count


def _check(approval: Approval, decision: str, answer: str) -> None:
    allowed = DECISIONS[approval.asks]
    if decision not in allowed and decision != "expired":
        known = ", ".join(sorted(allowed)) or "none: no person answers this"
        raise InvalidInput.of(("decision", f"must be one of {known}"))
    if decision == "answered" and not answer.strip():
        raise InvalidInput.of(("answer", "must not be empty"))
    if len(answer) > ANSWER_LENGTH:
        raise InvalidInput.of(("answer", f"must have at most {ANSWER_LENGTH} characters"))


def _settle(approval: Approval, run: Run, decision: str, by: str, answer: str) -> None:
    kept: dict[str, Any] = {"answer": answer}
    if run.is_sealed:
        kept = {"sealed": wired.ports().sealers.for_user(run.owner_id).seal(kept)}
    approval.status = decision
    approval.answer = kept if answer else None
    approval.resolved_at = datetime.now(UTC)
    approval.resolved_by = by
    approval.save(update_fields=["status", "answer", "resolved_at", "resolved_by"])


def _go_on(held: UnheldRun) -> None:
    """Write the answers into the log; queue the run again when none is missing."""
    if held.state.status != PAUSED:
        return
    approvals = Approval.objects.filter(pk__in=list(held.state.open_approvals)).exclude(
        status=ApprovalStatus.OPEN
    )
    for approval in approvals:
        held.append(_resolved_event(approval, held))
    if not held.state.open_approvals:
        held.append(RunResumed(by=_last_answerer(approvals)))
        now = database_now()
        if held.run.deadline_at is not None:
            # Since it asked, which is just before it paused: times of events are its worker's.
            held.run.deadline_at += now - min(approval.created_at for approval in approvals)
        held.run.enqueued_at = now
        held.run.save(update_fields=["deadline_at", "enqueued_at"])
        transaction.on_commit(partial(successors_enqueue, [held.run.pk]))
    if held.added:
        held.store()


def _resolved_event(approval: Approval, held: UnheldRun) -> ApprovalResolved:
    kept = approval.answer or {}
    if held.sealer is not None and "sealed" in kept:
        kept = held.sealer.open(kept["sealed"])
    return ApprovalResolved(
        approval_id=str(approval.pk),
        decision=cast("Decision", approval.status),
        by=approval.resolved_by,
        fingerprint=approval.fingerprint or None,
        call_id=approval.call_id or None,
        answer=kept.get("answer") or None,
    )


def _last_answerer(approvals: Sequence[Approval] | Any) -> str:
    return max(approvals, key=lambda a: a.resolved_at).resolved_by
