from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class EffectStatus(models.TextChoices):
    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"


class Effect(models.Model):
    """The ledger of tool calls that change the world: written before the call, settled after it.

    A row that is begun and not settled, seen by a later attempt, means: nobody knows.
    """

    run = models.ForeignKey(
        "orchestration.Run", on_delete=models.CASCADE, related_name="effects", db_index=False
    )
    call_id = models.CharField(max_length=120)
    tool = models.CharField(max_length=120)
    #: SHA-256 of the tool name and the canonical arguments, as hex.
    fingerprint = models.CharField(max_length=64)
    status = models.CharField(max_length=10, choices=EffectStatus, default=EffectStatus.BEGUN)
    #: {ok, result, error} as the model saw it; sealed where the run is.
    receipt = models.JSONField(null=True)
    lease_token = models.PositiveBigIntegerField()
    begun_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "agent_effects"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["run", "call_id"], name="agent_effects_once"),
            models.CheckConstraint(
                name="agent_effects_settled",
                condition=models.Q(status="begun", settled_at__isnull=True)
                | (~models.Q(status="begun") & models.Q(settled_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool} ({self.status})"
