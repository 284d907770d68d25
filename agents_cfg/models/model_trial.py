from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from taskmapr.core.ids import uuid7


class TrialStatus(models.TextChoices):
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class ModelTrial(models.Model):
    """One short question to a model, asked by an operator and answered by a worker."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    profile = models.ForeignKey(
        "agents_cfg.ModelProfile", on_delete=models.CASCADE, related_name="trials", db_index=False
    )
    asked_by = models.CharField(max_length=200)
    status = models.CharField(max_length=10, choices=TrialStatus, default=TrialStatus.WAITING)
    #: The first characters of what the model said.
    answer = models.TextField(blank=True, default="")
    #: The name by which the provider says it answered.
    model = models.CharField(max_length=200, blank=True, default="")
    first_output_ms = models.PositiveIntegerField(null=True)
    duration_ms = models.PositiveIntegerField(null=True)
    #: Null: the provider did not count.
    input_tokens = models.PositiveIntegerField(null=True)
    output_tokens = models.PositiveIntegerField(null=True)
    #: Millionths of a US dollar; null: no price is known.
    cost_usd_micros = models.PositiveBigIntegerField(null=True)
    error_code = models.CharField(max_length=60, blank=True, default="")
    #: A sentence that is safe to show: it never holds a key.
    error_message = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["profile", "-id"], name="model_trials_newest")]

    def __str__(self) -> str:
        return f"trial of {self.profile_id}: {self.status}"
