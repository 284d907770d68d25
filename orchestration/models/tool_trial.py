from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from taskmapr.core.ids import uuid7


class ToolTrialStatus(models.TextChoices):
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class ToolTrial(models.Model):
    """One call of a tool that an operator asked for, carried out by a worker beside all runs."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tool = models.ForeignKey(
        "agents_cfg.Tool", on_delete=models.CASCADE, related_name="trials", db_index=False
    )
    #: The operator, for whom the tool is called.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    #: As they were given until it is over; then without what looks like a secret.
    args = models.JSONField(default=dict)
    status = models.CharField(
        max_length=10, choices=ToolTrialStatus, default=ToolTrialStatus.WAITING
    )
    #: What the tool answered, as JSON text, cut.
    result = models.TextField(blank=True, default="")
    duration_ms = models.PositiveIntegerField(null=True)
    error_code = models.CharField(max_length=60, blank=True, default="")
    error_message = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "agent_tool_trials"
        ordering = ["-id"]
        indexes = [models.Index(fields=["tool", "-id"], name="agent_tool_trials_newest")]

    def __str__(self) -> str:
        return f"trial of {self.tool_id}: {self.status}"
