from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from agents_cfg.models.model_profile import ModelProfile


def default_tools() -> list[str]:
    ui = ["ui.navigate", "ui.highlight", "ui.scroll_to", "ui.start_walkthrough", "ui.custom"]
    return [*ui, "knowledge.*"]


def everything() -> list[str]:
    return ["*"]


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
