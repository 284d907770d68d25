from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class BatchLease(models.Model):
    """A run is at work on this batch of this site. It ends with the run, at the latest at
    `expires_at`. Sites are named, not referred to: leases and audit outlast what admins delete."""

    site = models.CharField(max_length=40)
    batch_id = models.CharField(max_length=100)
    run = models.ForeignKey(
        "orchestration.Run", on_delete=models.CASCADE, related_name="batch_leases"
    )
    taken_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "agent_batch_leases"
        ordering = ["-taken_at"]
        constraints = [
            models.UniqueConstraint(fields=["site", "batch_id"], name="agent_batch_leases_one")
        ]

    def __str__(self) -> str:
        return f"{self.site} {self.batch_id}"


class ApprovalOutcome(models.TextChoices):
    BEGUN = "begun", "begun"
    APPROVED = "approved", "approved"
    UNKNOWN = "unknown", "in doubt"


class BatchApproval(models.Model):
    """Who had which batch approved. Written before the button is pressed and settled when the page
    says what became of it; what stays `begun` was cut off in between, so somebody has to look."""

    site = models.CharField(max_length=40)
    batch_id = models.CharField(max_length=100)
    #: Whose limits the run counted against: `user:<id>` or `key:<id>`.
    principal = models.CharField(max_length=80)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    #: Who said yes to it, where the site asks for that: a credential as above, or an operator.
    confirmed_by = models.CharField(max_length=200, blank=True, default="")
    #: Not a reference: runs are erased in time, this is not.
    run_id = models.UUIDField(db_index=True)
    outcome = models.CharField(
        max_length=10, choices=ApprovalOutcome, default=ApprovalOutcome.BEGUN
    )
    #: Name of the picture among the run's files; empty without one.
    screenshot = models.CharField(max_length=200, blank=True, default="")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "agent_batch_approvals"
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["-at"], name="agent_batch_approvals_newest"),
            models.Index(fields=["site", "batch_id"], name="agent_batch_approvals_batch"),
        ]

    def __str__(self) -> str:
        return f"{self.site} {self.batch_id}"
