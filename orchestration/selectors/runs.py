"""Reading runs. Who may see what is a parameter, never a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet

from orchestration.log.store import events_after
from orchestration.models import Approval, Run
from orchestration.models.approval import ApprovalStatus
from taskmapr.core import wired
from taskmapr.core.errors import EventsExpired, RunNotFound
from taskmapr.core.events import Event
from taskmapr.core.ports import Sealer
from taskmapr.core.run_state import RUNNING

#: Running runs of one reader that are looked at together.
RUNNING_MOST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableRun:
    """What a reader of a log must know of its run."""

    run_id: UUID
    kind: str
    status: str
    session_id: str | None
    is_final: bool
    last_seq: int
    sealer: Sealer | None


def run_owned(*, run_id: UUID, user_id: UUID) -> Run:
    """Raises RunNotFound also when the run is somebody else's."""
    run = Run.objects.defer("input", "instructions").filter(pk=run_id, owner_id=user_id).first()
    if run is None:
        raise RunNotFound
    return run


def run_readable(*, run_id: UUID, user_id: UUID) -> ReadableRun:
    """The owner's run, ready to be followed. Raises RunNotFound, EventsExpired."""
    run = run_owned(run_id=run_id, user_id=user_id)
    if run.content_erased_at is not None:
        raise EventsExpired
    return ReadableRun(
        run_id=run.pk,
        kind=run.kind,
        status=run.status,
        session_id=run.session_id,
        is_final=run.is_final,
        last_seq=run.last_seq,
        sealer=wired.ports().sealers.for_user(user_id) if run.is_sealed else None,
    )


def runs_running(*whose: Q, **which: Any) -> list[UUID]:
    """Those whose rows say that a worker is at work on them, the newest first, RUNNING_MOST at
    most. Arguments as of `filter`."""
    running = Run.objects.filter(*whose, **which, status=RUNNING).order_by("-id")
    return list(running.values_list("id", flat=True)[:RUNNING_MOST])


def run_exists(run_id: UUID) -> bool:
    return Run.objects.filter(pk=run_id).exists()


def run_events(run_id: UUID, after: int, sealer: Sealer | None) -> list[Event]:
    """Stored events after a cursor: the `StoredEvents` of a log reader."""
    return events_after(run_id, after, sealer=sealer)


def approvals_open(*, run_id: UUID) -> QuerySet[Approval]:
    return Approval.objects.filter(run_id=run_id, status=ApprovalStatus.OPEN)
