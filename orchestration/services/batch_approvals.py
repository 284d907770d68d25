"""The audit of approvals in browsers."""

from __future__ import annotations

from uuid import UUID

from orchestration.models import ApprovalOutcome, BatchApproval, Run


def batch_approval_begin(*, site: str, batch_id: str, run_id: UUID, confirmed_by: str = "") -> int:
    """Written before the button is pressed, in the name of who began the run. Returns its id."""
    run = Run.objects.only("owner_id", "credential").get(pk=run_id)
    row = BatchApproval.objects.create(
        site=site,
        batch_id=batch_id,
        principal=run.credential or f"user:{run.owner_id}",
        user_id=run.owner_id,
        confirmed_by=confirmed_by,
        run_id=run_id,
    )
    return int(row.pk)


def batch_approval_settle(*, approval_id: int, is_approved: bool, screenshot: str) -> None:
    """What the page said afterwards."""
    outcome = ApprovalOutcome.APPROVED if is_approved else ApprovalOutcome.UNKNOWN
    BatchApproval.objects.filter(pk=approval_id).update(outcome=outcome, screenshot=screenshot)
