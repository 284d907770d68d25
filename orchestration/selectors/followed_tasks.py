"""Tasks that somebody wants to follow live."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from orchestration.dialects.task_result import TaskFacts
from orchestration.models import Run
from taskmapr.core import wired
from taskmapr.core.errors import TaskNotFound
from taskmapr.core.ports import Sealer
from taskmapr.core.run_state import QUEUED

#: Kinds of runs that can be followed by socket.
KINDS: Final = ("task", "intent")


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedTask:
    """What a follower's socket must know of the run."""

    task_id: UUID
    kind: str
    is_final: bool
    facts: TaskFacts
    sealer: Sealer | None

    def unborn(self) -> TaskFacts:
        """The facts as they were before the first event, which the log then moves."""
        return replace(self.facts, status=QUEUED, attempt=0, started_at=None, finished_at=None)


def task_followed(*, task_id: UUID, user_id: UUID, sees_all: bool) -> FollowedTask:
    """Raises TaskNotFound also when the task is somebody else's. sees_all: staff that may."""
    seen = Run.objects.defer("instructions").filter(pk=task_id, kind__in=KINDS)
    run = (seen if sees_all else seen.filter(owner_id=user_id)).first()
    if run is None:
        raise TaskNotFound
    return FollowedTask(
        task_id=run.pk,
        kind=run.kind,
        is_final=run.is_final,
        facts=_facts(run),
        sealer=wired.ports().sealers.for_user(run.owner_id) if run.is_sealed else None,
    )


def _facts(run: Run) -> TaskFacts:
    return TaskFacts(
        task_id=str(run.pk),
        task_type=run.subject,
        status=run.status,
        attempt=run.attempt,
        max_retries=max(0, run.max_attempts - 1),
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        error_code=run.error_code,
        error_message=run.error_message,
        is_erased=run.content_erased_at is not None,
    )
