from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from agents_cfg.models.mcp_server import McpServer


class ToolDanger(models.TextChoices):
    READ = "read", "Reads"
    WRITE = "write", "Writes"
    DANGEROUS = "dangerous", "Dangerous"


class Tool(models.Model):
    """A tool that this installation knows, and what operators say about it.

    Tools of the registry get their row when it is first seen there, enabled; tools of MCP servers
    when their server names them, disabled. Both kinds are told apart by `server`.
    """

    #: The registry's name: ui.navigate, mcp:shop.find_order.
    name = models.CharField(max_length=180, unique=True, editable=False)
    server = models.ForeignKey(
        McpServer, null=True, editable=False, on_delete=models.CASCADE, related_name="tools"
    )
    #: The name at that server.
    remote_name = models.CharField(max_length=128, blank=True, default="", editable=False)
    summary = models.TextField(blank=True, default="", editable=False)
    input_schema = models.JSONField(default=dict, editable=False)
    #: Why it cannot be offered whatever operators say: a schema that nobody can check against.
    problem = models.CharField(max_length=300, blank=True, default="", editable=False)
    #: What its author says of it; for the registry's tools the least that holds.
    own_danger = models.CharField(
        max_length=10, choices=ToolDanger, default=ToolDanger.WRITE, editable=False
    )

    is_enabled = models.BooleanField("allowed", default=False)
    danger = models.CharField(max_length=10, choices=ToolDanger, default=ToolDanger.WRITE)
    has_effect = models.BooleanField(
        default=False, help_text="A call changes the world and is never made twice by itself"
    )
    needs_approval = models.BooleanField(
        default=False, help_text="A person must permit each call; dangerous tools always need it"
    )
    inject_user_id = models.BooleanField(
        default=False,
        help_text="The argument user_id is set by TaskMapr; models neither see nor choose it",
    )
    timeout_s = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.1), MaxValueValidator(600.0)],
        help_text="Empty: as its author says",
    )
    cost_usd_micros = models.PositiveIntegerField(
        "millionths of $ a call",
        null=True,
        blank=True,
        help_text="Millionths of a US dollar per call; empty: as its author says",
    )
    cost_usd_micros_per_s = models.PositiveIntegerField(
        "and a second",
        null=True,
        blank=True,
        help_text="And per second of a call; empty: as its author says",
    )
    #: What its server said of it when an operator allowed it. Schema null: nobody did, or somebody
    #: took it back since.
    allowed_summary = models.TextField(blank=True, default="", editable=False)
    allowed_schema = models.JSONField(null=True, editable=False)
    #: When the registry or its server last named it; not there any more if that is long ago.
    seen_at = models.DateTimeField(null=True, editable=False)
    is_present = models.BooleanField(default=True, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def provider(self) -> str:
        return self.name.split(".", 1)[0]

    @property
    def is_offered(self) -> bool:
        """Whether profiles may offer it now, if they name it."""
        return self.is_enabled and self.is_present and not self.problem

    @property
    def is_changed(self) -> bool:
        """It was allowed, and lost that because its server says something else of it now."""
        return not self.is_enabled and self.allowed_schema is not None


class ToolPrice(Tool):
    """The same row, as a line of the list of prices."""

    class Meta:
        proxy = True
        ordering = ["name"]
        verbose_name = "price"
