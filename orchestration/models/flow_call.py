from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class FlowCallState(models.TextChoices):
    #: Handed to the engine; what became of it is not known yet.
    SENT = "sent"
    #: The engine took it and answers later.
    WAITING = "waiting"
    ANSWERED = "answered"


class FlowCall(models.Model):
    """A run's call of a workflow, written before it is sent: who may answer it later, and whether a
    later attempt of the run may send it again."""

    run = models.OneToOneField(
        "orchestration.Run", primary_key=True, on_delete=models.CASCADE, related_name="flow_call"
    )
    state = models.CharField(
        max_length=8, choices=FlowCallState, default=FlowCallState.SENT, db_default="sent"
    )
    #: SHA-256 of the token in the address that the engine answers to, as hex.
    token_hash = models.CharField(max_length=64)
    #: The question that the paused run waits for.
    approval_id = models.UUIDField(null=True)
    #: {value}; {sealed} where the run is.
    answer = models.JSONField(null=True)
    sent_at = models.DateTimeField(db_default=Now())
    #: Nobody's answer counts after it.
    expires_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "agent_flow_calls"

    def __str__(self) -> str:
        return f"{self.run_id} ({self.state})"
