"""Tasks that somebody wants to follow live."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from orchestration.dialects.task_result import TaskFacts
from orchestration.models import Artifact, Run
from orchestration.selectors.tasks import Reader, task_facts, without_input
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


def task_followed(*, task_id: UUID, reader: Reader) -> FollowedTask:
    """Raises TaskNotFound also when the reader may not know of it."""
    run = (
        without_input(Run.objects.all()).filter(reader.readable, pk=task_id, kind__in=KINDS).first()
    )
    if run is None:
        raise TaskNotFound
    gone = Artifact.objects.filter(run_id=run.pk, erased_at__isnull=False)
    return FollowedTask(
        task_id=run.pk,
        kind=run.kind,
        is_final=run.is_final,
        facts=task_facts(run, gone.values_list("name", flat=True) if run.is_final else ()),
        sealer=wired.ports().sealers.for_user(run.owner_id) if run.is_sealed else None,
    )
