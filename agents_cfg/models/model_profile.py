from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from taskmapr.foundation.fields import EncryptedTextField


class ModelAdapter(models.TextChoices):
    AUTO = "auto", "Choose by model name"
    OPENAI = "openai", "OpenAI-compatible endpoint"
    LITELLM = "litellm", "LiteLLM (every other provider)"
    OFFLINE = "offline", "Built-in stand-in"


class ModelProfile(models.Model):
    """A language model, where it is reached and what it costs."""

    name = models.CharField(max_length=80, unique=True)
    model = models.CharField(
        max_length=200, help_text="LiteLLM notation, for example gpt-5-mini or anthropic/claude-..."
    )
    adapter = models.CharField(max_length=10, choices=ModelAdapter, default=ModelAdapter.AUTO)
    base_url = models.URLField(blank=True, help_text="Empty: the provider's own address")
    api_key = EncryptedTextField(blank=True, default="")
    fallback = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Takes over when this model fails before its first output",
    )
    max_output_tokens = models.PositiveIntegerField(null=True, blank=True)
    context_tokens = models.PositiveIntegerField(null=True, blank=True)
    timeout_s = models.FloatField(
        default=60.0, validators=[MinValueValidator(1.0), MaxValueValidator(600.0)]
    )
    #: US dollars per million tokens; empty means unknown, which is shown as unknown.
    input_price_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    output_price_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    supports_tools = models.BooleanField(default=True)
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
