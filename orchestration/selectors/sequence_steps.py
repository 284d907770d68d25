"""What became of the steps of a sequence so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Subquery

from orchestration.dialects.task_result import SHOWN
from orchestration.models import Approval, RunEvent, SequenceStep
from orchestration.models.approval import ApprovalStatus
from taskmapr.core.run_kinds import TASK
from taskmapr.core.run_state import CANCELLED, FAILED, FINAL_STATUSES, OPEN_STATUSES, SUCCEEDED


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSoFar:
    """A step that was begun, or could not be."""

    position: int
    name: str
    task_type: str
    #: None: it could not be begun.
    task_id: UUID | None
    #: As stored: one of `run_state.STATUSES`.
    status: str
    #: The last result of its task, also of one that failed.
    output: Any = None
    #: {code, message}
    error: Mapping[str, str] | None = None
    duration_ms: int | None = None
    approval_id: UUID | None = None
    #: Until when the sequence waits for it.
    expires_at: datetime | None = None
    #: The time of the sequence was over before the step was.
    is_late: bool = False

    @property
    def is_over(self) -> bool:
        return self.status in FINAL_STATUSES

    @property
    def has_failed(self) -> bool:
        return self.is_over and self.status != SUCCEEDED

    def as_known(self) -> dict[str, Any]:
        """As placeholders of later steps and the sequence's result have it."""
        return {
            "task_id": str(self.task_id) if self.task_id else None,
            "status": SHOWN[self.status][0],
            "output": self.output,
            "error": dict(self.error) if self.error else None,
        }


def sequence_steps_so_far(sequence_id: UUID) -> list[StepSoFar]:
    """In their order. Two queries."""
    results = RunEvent.objects.filter(run_id=OuterRef("run_id"), kind="result").order_by("-seq")
    rows = list(
        SequenceStep.objects.filter(sequence_id=sequence_id)
        .select_related("run")
        .annotate(result=Subquery(results.values("data")[:1]))
    )
    waits = Approval.objects.in_bulk([row.approval_id for row in rows if row.approval_id])
    return [_so_far(row, waits) for row in rows]


def _so_far(row: Any, waits: Mapping[UUID, Approval]) -> StepSoFar:
    run, wait = row.run, waits.get(row.approval_id)
    return StepSoFar(
        position=row.position,
        name=row.name,
        task_type=row.task_type,
        task_id=row.run_id,
        status=run.status if run is not None else FAILED,
        output=(row.result or {}).get("value"),
        error=_error(row),
        duration_ms=run.duration_ms if run is not None else None,
        approval_id=row.approval_id,
        expires_at=wait.expires_at if wait is not None else None,
        is_late=wait is not None and wait.status == ApprovalStatus.EXPIRED,
    )


def _error(row: SequenceStep) -> dict[str, str] | None:
    run = row.run
    if run is None:
        return {"code": row.error_code, "message": row.error_message}
    if run.status == CANCELLED:
        return {"code": "cancelled", "message": "It was cancelled."}
    if run.error_code:
        return {"code": run.error_code, "message": run.error_message}
    return None


def sequences_under_way(task_type: str) -> set[UUID]:
    """Of this type: those that have begun a step and are not over, whether a worker holds them or
    not."""
    steps = SequenceStep.objects.filter(
        sequence__kind=TASK.name,
        sequence__subject=task_type,
        sequence__status__in=OPEN_STATUSES,
    )
    return set(steps.values_list("sequence_id", flat=True))
