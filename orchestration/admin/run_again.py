"""Assigning a task again from the admin."""

from __future__ import annotations

from orchestration.models import Run
from orchestration.services.idempotency import RunRepeated
from orchestration.services.task_assign import Ordering, task_retry
from taskmapr.core.errors import NotRetryable
from taskmapr.core.ids import uuid7
from taskmapr.core.run_kinds import TASK


def run_again(run: Run) -> Run:
    """The new task, its owner's like the old one; while one goes on, that one.

    Raises NotRetryable, also for runs that are no tasks, and as `task_assign`.
    """
    if run.kind != TASK.name:
        raise NotRetryable("Only tasks can be assigned again.")
    by = Ordering(owner_id=run.owner_id, credential=None)
    again = uuid7()
    try:
        task_retry(run_id=again, task=run, by=by, idempotency_key=None)
    except RunRepeated as earlier:
        again = earlier.run_id
    return Run.objects.get(pk=again)
