"""Finding runs that nobody works on, and seeing them to an end or into other hands."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from orchestration.log.endings import Verdict
from orchestration.log.store import session_successors
from orchestration.log.unheld import RunHeld, UnheldRun, run_take_unheld
from orchestration.models import Run
from orchestration.services.run_end import (
    cancelled_meanwhile,
    run_fail_unclaimed,
    successors_enqueue,
)
from orchestration.services.run_queue import runs_enqueue
from orchestration.services.sequence_steps import sequence_steps_settle
from taskmapr.core import wired
from taskmapr.core.errors import AlreadyFinished, QueueUnavailable, WorkerLost
from taskmapr.core.events import ReasoningCompleted, RunRetrying
from taskmapr.core.run_kinds import run_kind
from taskmapr.core.run_state import QUEUED, RETRYING, RUNNING
from taskmapr.foundation.postgres.clock import database_now

logger = logging.getLogger(__name__)

#: A session's waiting run is looked at when it has waited this long.
STUCK_AFTER: Final = timedelta(seconds=10)


def runs_recover() -> dict[str, int]:
    """One sweep. Safe to run at any time, by several processes at once.

    Returns how many runs were taken up again, ended as lost, had moved on by themselves, failed for
    want of a worker, were put on their queue again, had waited for their time, were given their
    turn in a session, and were told of the end of their step or their sequence.
    """
    counts = {
        "resumed": 0,
        "lost": 0,
        "moved_on": 0,
        "unclaimed": 0,
        "requeued": 0,
        "due": 0,
        "freed": 0,
        "told": 0,
    }
    for run_id, owner in _lapsed():
        try:
            counts[_recover(run_id, was_handed_back=not owner)] += 1
        except Exception:
            # One run that cannot be understood must not keep the others from being found.
            logger.exception("run %s cannot be recovered", run_id)
    counts["unclaimed"], counts["requeued"] = _queued_too_long()
    counts["due"] = _begin_due()
    counts["freed"] = _free_waiting()
    counts["told"] = sequence_steps_settle()
    if any(counts.values()):
        logger.info("recovery: %s", ", ".join(f"{n} {word}" for word, n in counts.items() if n))
    return counts


def _lapsed() -> list[tuple[UUID, str]]:
    """With the worker that had it: none for a run that its worker gave back by itself."""
    return list(
        Run.objects.filter(status=RUNNING)
        .filter(Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now()))
        .values_list("pk", "lease_owner")
    )


def _recover(run_id: UUID, *, was_handed_back: bool) -> str:
    try:
        with transaction.atomic():
            held = run_take_unheld(run_id)
            if held.state.is_final:
                successors, word = held.conclude(), "moved_on"
            elif (verdict := _verdict(held, was_handed_back)) is not None:
                successors = held.finish(verdict)
                word = "lost"
            else:
                _retry(held)
                successors, word = [run_id], "resumed"
    except (RunHeld, AlreadyFinished):
        return "moved_on"
    successors_enqueue(successors)
    return word


def _verdict(held: UnheldRun, was_handed_back: bool) -> Verdict | None:
    """How a lost run ends; None when another worker may go on with it."""
    if (cancelled := cancelled_meanwhile(held)) is not None:
        return cancelled
    kind = run_kind(held.run.kind)
    if held.run.deadline_at is not None and held.run.deadline_at < database_now():
        return Verdict(error=kind.time_over("The run took longer than it may."))
    # Going on after a pause is an attempt too, but nobody was lost.
    resumed = sum(event.kind == "run.resumed" for event in held.events)
    most = held.run.max_attempts or kind.max_attempts
    if was_handed_back:
        # A worker that stops is no failure of the run, also not of one that may fail only once.
        most = max(most, kind.max_attempts)
    if held.run.attempt - resumed >= most:
        return Verdict(error=WorkerLost())
    if kind.when_lost == "resume_unless_output" and held.state.has_output:
        return Verdict(error=WorkerLost())
    return None


def _retry(held: UnheldRun) -> None:
    """Queue the run again. A worker lost before its first word left no trace in the log; the run
    is then what it was before that worker took it."""
    if held.state.reasoning_open:
        held.append(ReasoningCompleted())
    if held.state.status == RUNNING:
        held.append(RunRetrying(attempt=held.run.attempt + 1, reason=WorkerLost.code))
    held.run.enqueued_at = database_now()
    held.run.save(update_fields=["enqueued_at"])
    held.store()


def _queued_too_long() -> tuple[int, int]:
    """(failed for want of a worker, queued again).

    A job is taken for lost only while its queue is empty: workers that are merely busy leave it
    there.
    """
    now = database_now()
    patience = timedelta(seconds=settings.TASKMAPR["no_worker_after_s"])
    # Its job may have been lost: it gets another one while there is still time to take it.
    queued = Run.objects.filter(
        status__in=(QUEUED, RETRYING), enqueued_at__lt=now - patience * 2 / 3
    ).values_list("pk", "enqueued_at", "queue")
    late = list(queued)
    if not late:
        return 0, 0
    served, depths = _queue_state({queue for _, _, queue in late})
    failed = 0
    again = []
    for run_id, since, queue in late:
        if queue in served and not depths.get(queue):
            again.append(run_id)
        elif queue not in served and since is not None and since < now - patience:
            failed += run_fail_unclaimed(run_id=run_id)
    _requeue(again)
    return failed, len(again)


def _queue_state(queues: set[str]) -> tuple[set[str], dict[str, int]]:
    """Which of these queues a living worker serves, and how many jobs wait in each."""
    signals = wired.ports().signals
    try:
        workers, depths = signals.workers(), signals.queue_depths(sorted(queues))
    except QueueUnavailable:
        return set(), {}
    return {queue for queue in queues if any(w.serves(queue) for w in workers)}, depths


def _requeue(run_ids: list[UUID]) -> None:
    # Counted anew from here, so that one lost job is not replaced at every sweep.
    Run.objects.filter(pk__in=run_ids).update(enqueued_at=Now())
    try:
        runs_enqueue(run_ids)
    except QueueUnavailable:
        logger.warning("queue away; %d runs wait on", len(run_ids))


# Rows that another sweep looks at are passed over. A run that also waits for a turn in its session
# has none to wait for: kinds with sessions know no time.
_DUE: Final = """
UPDATE agent_runs SET enqueued_at = now() WHERE id IN (
  SELECT id FROM agent_runs
  WHERE due_at <= now() AND enqueued_at IS NULL AND status IN ('queued', 'retrying')
  ORDER BY due_at LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED
) RETURNING id
"""


def _begin_due() -> int:
    """Runs whose time has come: those to be begun later, and those whose last attempt failed."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        due = [row[0] for row in cursor.fetchall()]
    successors_enqueue(due)
    return len(due)


def _free_waiting() -> int:
    """Runs that wait for a turn in a session where nothing is under way any more."""
    sessions = list(
        Run.objects.filter(
            status=QUEUED,
            enqueued_at__isnull=True,
            due_at__isnull=True,
            created_at__lt=Now() - STUCK_AFTER,
        )
        .values_list("session_id", flat=True)
        .distinct()
    )
    freed = session_successors([s for s in sessions if s]) if sessions else []
    successors_enqueue(freed)
    return len(freed)
