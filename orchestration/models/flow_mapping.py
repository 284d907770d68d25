from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now


class FlowEngine(models.TextChoices):
    N8N = "n8n", "n8n"
    ACTIVEPIECES = "activepieces", "ActivePieces"
    HTTP = "http", "Another web address"


class FlowMethod(models.TextChoices):
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"


class FlowMapping(models.Model):
    """Which workflow carries out an intent. Saved through `flow_mapping_save`.

    Of several patterns that fit, the whole name wins, then the longest beginning.
    """

    pattern = models.CharField(
        max_length=128,
        unique=True,
        help_text="An intent such as gmail.triage; crm.* stands for all that begin with crm.",
    )
    description = models.CharField(max_length=300, blank=True, default="")
    is_enabled = models.BooleanField(
        default=True, help_text="Switched off, the intents that it fits are carried out by no flow"
    )
    engine = models.CharField(max_length=14, choices=FlowEngine, default=FlowEngine.N8N)
    #: n8n: the webhook's path, empty: made of the intent. ActivePieces: the flow's id. http: a URL.
    place = models.CharField(max_length=500, blank=True, default="")
    method = models.CharField(max_length=5, choices=FlowMethod, default=FlowMethod.POST)
    auth_header = models.CharField(max_length=100, blank=True, default="")
    #: A name in the secret store.
    secret = models.CharField(max_length=80, blank=True, default="")
    input_schema = models.JSONField(default=dict, blank=True)
    is_synchronous = models.BooleanField(default=True)
    timeout_s = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0.1), MaxValueValidator(86_400.0)]
    )
    is_retry_safe = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "agent_flow_mappings"
        ordering = ["pattern"]

    def __str__(self) -> str:
        return self.pattern
