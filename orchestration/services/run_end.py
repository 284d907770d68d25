"""Ending runs from outside their writer."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from orchestration.log.endings import Verdict
from orchestration.log.last_words import end_told
from orchestration.log.unheld import RunHeld, UnheldRun, run_take_unheld
from orchestration.models import Command, Run, SequenceStep
from orchestration.models.command import CommandKind
from orchestration.services.run_queue import runs_enqueue
from taskmapr.core import wired
from taskmapr.core.errors import (
    AlreadyFinished,
    NoWorker,
    QueueUnavailable,
    TaskMaprError,
    WorkerLost,
)
from taskmapr.core.run_state import QUEUED, RETRYING

logger = logging.getLogger(__name__)


def run_fail(*, run_id: UUID, error: TaskMaprError) -> None:
    """End a run that nobody holds as failed (or timed_out). Raises like `run_take_unheld`."""
    _end_unheld(run_id, Verdict(error=error))


def run_cancel(*, run_id: UUID, by: str, reason: str = "cancelled_by_user") -> None:
    """Cancel a run: at once when nobody holds it, otherwise its writer is told and does it. The
    step that it waits for is cancelled with it.

    Raises RunNotFound, and AlreadyFinished also when only readers were told of the end so far.
    Cancelling twice is harmless.
    """
    verdict = Verdict(cancel_reason=reason)
    try:
        _end_unheld(run_id, verdict)
    except RunHeld:
        # Redis is not asked while the run's row is locked.
        if (status := end_told(run_id)) is not None:
            raise AlreadyFinished(details={"status": status}) from None
        _end_or_tell(run_id, verdict, by)
    for step in SequenceStep.objects.filter(sequence_id=run_id, is_settled=False):
        if step.run_id is not None:
            with suppress(AlreadyFinished):
                run_cancel(run_id=step.run_id, by=by, reason=reason)


@transaction.atomic
def _end_or_tell(run_id: UUID, verdict: Verdict, by: str) -> None:
    """The run's row is locked until the command is there, so a worker that leaves the run either
    finds it (`end_if_cancelled`) or has left before."""
    try:
        held = run_take_unheld(run_id)
    except RunHeld:
        data: dict[str, object] = {"reason": verdict.cancel_reason}
        command_send(run_id=run_id, kind=CommandKind.CANCEL, by=by, data=data)
    else:
        transaction.on_commit(partial(successors_enqueue, held.finish(verdict)))


def end_if_cancelled(held: UnheldRun) -> bool:
    """Whether its worker, which has just left it, was told to cancel it; the run is over then.

    Belongs into the transaction in which the worker leaves.
    """
    if (verdict := cancelled_meanwhile(held)) is None:
        return False
    transaction.on_commit(partial(successors_enqueue, held.finish(verdict)))
    return True


def cancelled_meanwhile(held: UnheldRun) -> Verdict | None:
    """How a run ends that its worker has left, if it was told to cancel it and did not get to that.

    A worker that is about to leave a run hears no command any more.
    """
    command = Command.objects.filter(run=held.run, kind=CommandKind.CANCEL).first()
    if command is None:
        return None
    data = command.data
    if held.sealer is not None and "sealed" in data:
        data = held.sealer.open(data["sealed"])
    return Verdict(cancel_reason=str(data["reason"]))


def command_send(*, run_id: UUID, kind: CommandKind, by: str, data: dict[str, object]) -> None:
    """Leave a command for the writer of a held run, and ring its bell.

    `data` is sealed where the run is; the worker opens it.
    """
    run = Run.objects.only("lease_owner", "is_sealed", "owner_id").get(pk=run_id)
    if run.is_sealed:
        data = {"sealed": wired.ports().sealers.for_user(run.owner_id).seal(data)}
    Command.objects.create(run_id=run_id, kind=kind, by=by, data=data)
    logger.info("run %s: %s for %s", run_id, kind.value, run.lease_owner or "nobody")
    if run.lease_owner:
        transaction.on_commit(lambda: wired.ports().signals.ring(run.lease_owner, run_id))


def _end_unheld(run_id: UUID, verdict: Verdict) -> None:
    """Raises AlreadyFinished also for a run whose worker was lost after it had told the end: the
    row says so then."""
    with transaction.atomic():
        held = run_take_unheld(run_id)
        was_told = held.state.is_final
        successors = held.finish(verdict)
    successors_enqueue(successors)
    if was_told:
        raise AlreadyFinished(details={"status": held.state.status})


def successors_enqueue(successors: list[UUID]) -> None:
    """Enqueue the runs whose turn it is now; if the queue is away, recovery does it later."""
    try:
        runs_enqueue(successors)
    except QueueUnavailable:
        logger.warning("queue away; %d runs wait for recovery", len(successors))


def run_fail_unclaimed(*, run_id: UUID) -> bool:
    """End a run that no worker took for `no_worker_after_s` since it was queued, last time.

    Its error is NoWorker; WorkerLost where one had begun it, for it may have changed something.
    False, and nothing changes, when it is not so: somebody works on it, it waits for a person or
    for its turn, it ended, or it was queued (again) just now.
    """
    limit = Now() - timedelta(seconds=settings.TASKMAPR["no_worker_after_s"])
    unclaimed = Run.objects.filter(
        pk=run_id, status__in=(QUEUED, RETRYING), enqueued_at__lte=limit
    ).select_for_update()
    try:
        with transaction.atomic():
            if not unclaimed.exists():
                return False
            held = run_take_unheld(run_id)
            successors = held.finish(Verdict(error=_why_untaken(held)))
    except (RunHeld, AlreadyFinished):
        return False
    successors_enqueue(successors)
    return True


def _why_untaken(held: UnheldRun) -> TaskMaprError:
    retries = [event for event in held.events if event.kind == "run.retrying"]
    if retries and retries[-1].data["reason"] == WorkerLost.code:
        return WorkerLost("Its worker was lost, and no other took it up in time.")
    return NoWorker()
