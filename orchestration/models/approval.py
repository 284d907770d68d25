from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from taskmapr.core.ids import uuid7


class ApprovalAsks(models.TextChoices):
    APPROVAL = "approval"
    QUESTION = "question"
    OUTCOME = "outcome"
    #: Not a person's: what a workflow answers later.
    FLOW = "flow"
    #: Nobody's either: the end of the task that a step of a sequence is.
    STEP = "step"


class ApprovalStatus(models.TextChoices):
    OPEN = "open"
    APPROVED = "approved"
    DENIED = "denied"
    ANSWERED = "answered"
    HAPPENED = "happened"
    NOT_HAPPENED = "not_happened"
    EXPIRED = "expired"
    #: The run ended before anybody answered.
    WITHDRAWN = "withdrawn"


class Approval(models.Model):
    """What a run waits for from a person, a workflow or another run. It outlives every process."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey("orchestration.Run", on_delete=models.CASCADE, related_name="approvals")
    asks = models.CharField(max_length=10, choices=ApprovalAsks)
    status = models.CharField(max_length=14, choices=ApprovalStatus, default=ApprovalStatus.OPEN)
    call_id = models.CharField(max_length=120, blank=True, default="")
    tool = models.CharField(max_length=120, blank=True, default="")
    fingerprint = models.CharField(max_length=64, blank=True, default="")
    #: {prompt, args}, and {answer} in `answer`; both sealed where the run is.
    question = models.JSONField(default=dict)
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        db_table = "agent_approvals"
        ordering = ["created_at", "id"]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=models.Q(status="open"),
                name="agent_approvals_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.asks} {self.tool} ({self.status})"
