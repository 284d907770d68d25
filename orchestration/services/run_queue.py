"""Handing runs to workers."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from orchestration.models import Run
from taskmapr.core import jobs, wired
from taskmapr.core.run_kinds import RunKind, run_kind


def run_enqueue(*, run_id: UUID, kind: RunKind) -> None:
    """Put the run on the queue of its kind. Raises QueueUnavailable."""
    wired.ports().queue.enqueue(jobs.RUN_EXECUTE, str(run_id), queue=kind.queue)


def runs_enqueue(run_ids: Iterable[UUID]) -> None:
    """Put several runs on their queues. A job that is lost here is found by recovery."""
    for run_id, kind in Run.objects.filter(pk__in=list(run_ids)).values_list("pk", "kind"):
        run_enqueue(run_id=run_id, kind=run_kind(kind))
