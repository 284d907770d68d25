"""Handing runs to workers."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from orchestration.models import Run
from taskmapr.core import jobs, wired


def run_enqueue(*, run_id: UUID, queue: str, priority: int = 9) -> None:
    """Put the run on a queue. Raises QueueUnavailable."""
    wired.ports().queue.enqueue(jobs.RUN_EXECUTE, str(run_id), queue=queue, priority=priority)


def runs_enqueue(run_ids: Iterable[UUID]) -> None:
    """Put several runs on their queues. A job that is lost here is found by recovery."""
    runs = Run.objects.filter(pk__in=list(run_ids)).values_list("pk", "queue", "priority")
    for run_id, queue, priority in runs:
        run_enqueue(run_id=run_id, queue=queue, priority=priority)
