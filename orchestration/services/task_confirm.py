"""Saying yes or no to a task that waits for it."""

from __future__ import annotations

from django.db import transaction

from orchestration.models import Run
from orchestration.models.approval import ApprovalAsks
from orchestration.selectors.runs import approvals_open
from orchestration.services.pausing import Decision, approval_resolve
from taskmapr.core.errors import AlreadyFinished, AlreadyResolved


@transaction.atomic
def task_confirm(*, task: Run, is_approved: bool, by: str) -> None:
    """Answer what the task asks; it goes on. `by`: as the log and the audit name who answered.

    Raises AlreadyFinished, and AlreadyResolved when it waits for nobody.
    """
    question = approvals_open(run_id=task.pk).filter(asks=ApprovalAsks.APPROVAL).first()
    if question is None:
        if task.is_final:
            raise AlreadyFinished
        raise AlreadyResolved("The task waits for no confirmation.")
    decision: Decision = "approved" if is_approved else "denied"
    approval_resolve(approval_id=question.pk, decision=decision, by=by)
