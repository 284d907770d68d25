"""Steps of sequences: each a task of its own, for which the sequence's run waits, held by nobody.

The row of a step, its run and the question that the sequence waits with come into being in one
transaction. The end of either run is told to the other by whoever stored it, right afterwards, and
otherwise by the sweep: no transaction holds locks of both.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final, cast
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from orchestration.log.unheld import run_lock
from orchestration.models import Approval, Run, SequenceStep
from orchestration.models.approval import ApprovalAsks, ApprovalStatus
from orchestration.selectors.task_types import task_type_of_step
from orchestration.sequences.plans import DEPTH_MOST
from orchestration.services.leases import Claim
from orchestration.services.pausing import approval_open, approval_settle
from orchestration.services.run_end import run_cancel, successors_enqueue
from orchestration.services.run_start import NewRun, run_create
from orchestration.services.task_assign import Order, Ordering, task_new_run
from taskmapr.core.errors import (
    AlreadyFinished,
    LeaseLost,
    TaskFailed,
    TaskMaprError,
    TimeLimit,
    Unavailable,
)
from taskmapr.core.ids import uuid7
from taskmapr.core.run_kinds import TASK
from taskmapr.core.run_state import FINAL_STATUSES, RUNNING
from taskmapr.core.task_types import StepPlan
from taskmapr.foundation.postgres.clock import database_now
from taskmapr.foundation.telemetry import task_lines

logger = logging.getLogger(__name__)

#: Ends that one sweep tells.
BATCH: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Which step of a sequence that this worker holds."""

    claim: Claim
    position: int
    plan: StepPlan
    #: Seconds that the sequence may take from its beginning, with all its steps.
    limit_s: float


def is_of_sequence(claim: Claim) -> bool:
    """Whether somebody waits for the end of this run, or it may wait for another's."""
    if claim.kind != TASK.name:
        return False
    definition = (claim.input.get("settings") or {}).get("definition") or {}
    return "step_of" in claim.input or definition.get("kind") == "sequence"


# Beginning ---------------------------------------------------------------------------------------


def sequence_step_begin(*, step: Step, params: Mapping[str, Any]) -> None:
    """The step's task is there and waits for a worker, or it is written down why it cannot be.

    Begins no step twice. Raises LeaseLost when the sequence is held by somebody else or is over,
    TimeLimit when its time is, and Unavailable.
    """
    try:
        _begin(step, params)
    except (LeaseLost, TimeLimit, Unavailable):
        raise
    except TaskMaprError as error:
        sequence_step_refuse(step=step, error=error)


@transaction.atomic
def sequence_step_refuse(*, step: Step, error: TaskMaprError) -> None:
    """Write down that the step cannot be begun, and why. Raises LeaseLost."""
    _sequence_held(step.claim)
    SequenceStep.objects.get_or_create(
        sequence_id=step.claim.run_id,
        position=step.position,
        defaults={
            "name": step.plan.name,
            "task_type": step.plan.task_type,
            "is_settled": True,
            "error_code": error.code,
            "error_message": error.detail,
        },
    )


@transaction.atomic
def _begin(step: Step, params: Mapping[str, Any]) -> None:
    sequence = _sequence_held(step.claim)
    if SequenceStep.objects.filter(sequence=sequence, position=step.position).exists():
        return
    assert sequence.started_at is not None  # noqa: S101 - it was claimed
    left = sequence.started_at + timedelta(seconds=step.limit_s) - database_now()
    if left <= timedelta(0):
        raise TimeLimit("The task took longer than it may.")
    new = _new_run(step, sequence, params)
    approval = approval_open(
        run_id=sequence.pk,
        asks=ApprovalAsks.STEP,
        question={},
        call_id=f"step-{step.position}",
        tool=step.plan.task_type,
        wait=left,
    )
    run_create(new)
    SequenceStep.objects.create(
        sequence=sequence,
        position=step.position,
        name=step.plan.name,
        task_type=step.plan.task_type,
        run_id=new.run_id,
        approval_id=approval.pk,
    )
    task_lines.task_assigned(str(new.run_id), new.subject)
    transaction.on_commit(partial(successors_enqueue, [new.run_id]))


def _sequence_held(claim: Claim) -> Run:
    """The sequence's row. It can neither end nor change hands before the transaction does."""
    rows = Run.objects.raw(
        "SELECT * FROM agent_runs WHERE id = %s AND lease_token = %s AND status = %s FOR SHARE",
        [claim.run_id, claim.lease_token, RUNNING],
    )
    found: Run | None = next(iter(rows), None)
    if found is None:
        raise LeaseLost
    return found


def _new_run(step: Step, sequence: Run, params: Mapping[str, Any]) -> NewRun:
    """A task as if whoever assigned the sequence had assigned it."""
    settings: Mapping[str, Any] = step.claim.input.get("settings") or {}
    intents = settings.get("intents")
    task_type = task_type_of_step(settings.get("definition") or {}, step.plan.task_type)
    depth = int((step.claim.input.get("step_of") or {}).get("depth", 0)) + 1
    if task_type.steps and depth >= DEPTH_MOST:
        # Names of types may mean something else by now.
        raise TaskFailed("sequence_too_deep", f"{DEPTH_MOST} sequences are within each other.")
    new = task_new_run(
        run_id=uuid7(),
        task_type=task_type,
        order=Order(task_type=step.plan.task_type, params=params, priority=sequence.priority),
        by=Ordering(
            owner_id=sequence.owner_id,
            credential=None,
            request_id=sequence.request_id,
            intents=None if intents is None else tuple(intents),
        ),
    )
    of = {
        "task_id": str(sequence.pk),
        "name": step.plan.name,
        "position": step.position,
        "depth": depth,
    }
    return replace(new, credential=sequence.credential, input={**new.input, "step_of": of})


# Ending ------------------------------------------------------------------------------------------


def sequence_steps_settle(run_ids: Sequence[UUID] | None = None) -> int:
    """Sequences whose step is over go on, and steps whose sequence is over are cancelled.

    run_ids: only where one of these runs is the step or the sequence. Returns how many were told.
    Safe to run twice and at the same time.
    """
    is_over = Q(run__status__in=FINAL_STATUSES) | Q(sequence__status__in=FINAL_STATUSES)
    steps = SequenceStep.objects.filter(is_over, is_settled=False).order_by("id")
    if run_ids is not None:
        steps = steps.filter(Q(run_id__in=run_ids) | Q(sequence_id__in=run_ids))
    count = 0
    for step_id, sequence_id in list(steps.values_list("pk", "sequence_id")[:BATCH]):
        try:
            count += _settle(step_id, sequence_id)
        except Exception:
            # One that cannot be understood must not keep the others waiting.
            logger.exception("step %d of %s cannot be settled", step_id, sequence_id)
    return count


def _settle(step_id: int, sequence_id: UUID) -> bool:
    with transaction.atomic():
        sequence = run_lock(sequence_id)
        step = SequenceStep.objects.select_related("run").get(pk=step_id)
        if step.is_settled or step.run is None:
            return False
        if not sequence.is_final:
            _go_on(sequence, step)
        is_left_over = not step.run.is_final
        SequenceStep.objects.filter(pk=step_id).update(is_settled=not is_left_over)
    if is_left_over:
        # The lock of the sequence is not held any more, and the mark comes last: a process that
        # dies in between leaves it to the sweep.
        with suppress(AlreadyFinished):
            run_cancel(run_id=step.run.pk, by="sequence", reason="sequence_ended")
        SequenceStep.objects.filter(pk=step_id).update(is_settled=True)
    return True


def _go_on(sequence: Run, step: SequenceStep) -> None:
    approval = Approval.objects.select_for_update().get(pk=cast("UUID", step.approval_id))
    if approval.status == ApprovalStatus.OPEN:
        approval_settle(approval=approval, run=sequence, decision="answered", by="step")
