from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class SequenceStep(models.Model):
    """A step of a sequence that was begun, or could not be. It is written together with its run, so
    no step is begun twice."""

    sequence = models.ForeignKey(
        "orchestration.Run", on_delete=models.CASCADE, related_name="steps", db_index=False
    )
    #: From 1.
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=40)
    task_type = models.CharField(max_length=100)
    #: Null: it could not be begun, and the error says why.
    run = models.OneToOneField(
        "orchestration.Run", null=True, on_delete=models.CASCADE, related_name="step_of"
    )
    #: What the sequence's run waits with.
    approval_id = models.UUIDField(null=True)
    #: Its end was told to the sequence, or the sequence's to it.
    is_settled = models.BooleanField(default=False)
    error_code = models.CharField(max_length=60, blank=True, default="")
    error_message = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "agent_sequence_steps"
        ordering = ["sequence", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["sequence", "position"], name="agent_sequence_steps_once"
            )
        ]
        indexes = [
            # The sweep looks only at the few that are under way.
            models.Index(
                fields=["id"],
                condition=models.Q(is_settled=False),
                name="agent_sequence_steps_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.name}"
