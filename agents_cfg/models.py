from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from taskmapr.foundation.fields import EncryptedTextField


def default_tools() -> list[str]:
    return ["ui.navigate", "ui.highlight", "ui.scroll_to", "ui.start_walkthrough", "ui.custom"]


def everything() -> list[str]:
    return ["*"]


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


class DisconnectPolicy(models.TextChoices):
    CANCEL = "cancel", "Cancel after the grace period"
    CONTINUE = "continue", "Continue to the end"


class OverlayProfile(models.Model):
    """What an overlay may do and say on the sites that use it. Saved through
    `overlay_profile_save`."""

    name = models.SlugField(max_length=80, unique=True)
    is_default = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    allowed_origins = ArrayField(models.CharField(max_length=255), default=list, blank=True)

    model = models.ForeignKey(
        ModelProfile,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Empty: the model named by the environment",
    )
    allowed_models = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        help_text="Names that a request may ask for",
    )
    instructions = models.TextField(blank=True, help_text="The assistant's role, in your words")
    allow_client_instructions = models.BooleanField(default=False)
    routes = models.JSONField(
        default=list,
        blank=True,
        help_text='Pages of the site: [{"path": "/tags", "title": "Tags"}]',
    )
    keywords = ArrayField(models.CharField(max_length=80), default=list, blank=True)

    tools = ArrayField(models.CharField(max_length=120), default=default_tools, blank=True)
    navigate_origins = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    allow_submit_click = models.BooleanField(default=False)
    custom_actions = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    knowledge_collections = ArrayField(
        models.CharField(max_length=120),
        default=everything,
        blank=True,
        help_text="Names of collections that may be searched; * means all",
    )
    mcp_servers = ArrayField(
        models.CharField(max_length=80),
        default=everything,
        blank=True,
        help_text="Names of MCP servers whose allowed tools are offered; * means all",
    )
    recall_sessions = models.BooleanField(
        default=True, help_text="Tell the model briefly what the user's latest sessions were about"
    )
    recall_preferences = models.BooleanField(
        default=True, help_text="Tell the model what the user prefers, as kept in memory"
    )

    disconnect_policy = models.CharField(
        max_length=8, choices=DisconnectPolicy, default=DisconnectPolicy.CANCEL
    )
    temperature = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0.0), MaxValueValidator(2.0)]
    )
    max_output_tokens = models.PositiveIntegerField(default=4096)
    max_turns = models.PositiveIntegerField(null=True, blank=True)
    run_timeout_s = models.PositiveIntegerField(null=True, blank=True)
    rate_limit_per_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Requests of one user; empty means the limit of the settings",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=models.Q(is_default=True),
                name="overlay_profile_one_default",
            )
        ]

    def __str__(self) -> str:
        return self.name
