from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from taskmapr.core.ids import uuid7


class CommandKind(models.TextChoices):
    CANCEL = "cancel"
    ANSWER = "answer"
    APPROVE = "approve"
    TOOL_RESULT = "tool_result"


class Command(models.Model):
    """What somebody tells the writer of a running run. Redis rings the bell; this row is the
    message."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey("orchestration.Run", on_delete=models.CASCADE, related_name="commands")
    kind = models.CharField(max_length=12, choices=CommandKind)
    by = models.CharField(max_length=200)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())
    taken_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "agent_commands"
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["run"], condition=models.Q(taken_at__isnull=True), name="agent_commands_new"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.by}"
