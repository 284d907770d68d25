from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now


class CircuitSetting(models.Model):
    """When the circuit of one service opens and closes, where the usual numbers do not fit it."""

    service = models.CharField(
        max_length=200,
        unique=True,
        help_text="As in the list of circuits: flow:n8n, mcp:docs, ssh:web1, model:api.openai.com",
    )
    failures = models.PositiveIntegerField(
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text="It opens after so many",
    )
    window_s = models.FloatField(
        "within (seconds)",
        default=60.0,
        validators=[MinValueValidator(1), MaxValueValidator(86_400)],
        help_text="Failures before that are forgotten",
    )
    open_s = models.FloatField(
        "stays open (seconds)",
        default=30.0,
        validators=[MinValueValidator(1), MaxValueValidator(86_400)],
        help_text="Then one call may try again",
    )
    successes = models.PositiveIntegerField(
        default=2,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="Calls in a row that must succeed before it closes",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "agent_circuit_settings"
        ordering = ["service"]

    def __str__(self) -> str:
        return self.service
