from __future__ import annotations

from django.conf import settings
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models


class RuleMode(models.TextChoices):
    AGENT = "agent", "Agent"
    MCP = "mcp", "MCP"
    FLOW = "flow", "Flow"


class ModeRule(models.Model):
    """What operators say of some intents: the mode that carries them out, and how many a minute.

    The first rule that matches counts; those of the caller come before those of everybody.
    """

    #: The smallest first.
    number = models.PositiveIntegerField("order", default=100)
    pattern = models.CharField(
        "intents",
        max_length=128,
        validators=[RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,126}\*?$|^\*$")],
        help_text="A name; a trailing * matches any end",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Whose intents; empty: everybody's",
    )
    mode = models.CharField(
        max_length=12,
        choices=RuleMode,
        blank=True,
        default="",
        help_text="Empty: as without this rule",
    )
    target = models.CharField(
        max_length=180,
        blank=True,
        default="",
        help_text="Another tool or flow to use instead; empty: that of the intent's own name",
    )
    per_minute = models.PositiveIntegerField(
        "calls per minute",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Of one principal; empty: this rule sets no limit",
    )
    is_enabled = models.BooleanField("in force", default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "agent_mode_rules"
        ordering = ["number", "id"]

    def __str__(self) -> str:
        return f"{self.number}: {self.pattern}"
