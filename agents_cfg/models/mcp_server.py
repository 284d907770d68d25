from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from taskmapr.foundation.fields import EncryptedTextField


class McpTransport(models.TextChoices):
    STREAMABLE_HTTP = "streamable_http", "Streamable HTTP"
    SSE = "sse", "Server-sent events (older servers)"
    STDIO = "stdio", "A program on the worker's machine"


class McpServerState(models.TextChoices):
    UNKNOWN = "unknown", "not asked yet"
    AVAILABLE = "available", "available"
    UNAVAILABLE = "unavailable", "unavailable"


class McpServer(models.Model):
    """A server whose tools assistants may call. Saved through `mcp_server_save`.

    What it offers are the rows of `Tool` that point here.
    """

    name = models.SlugField(
        max_length=40,
        unique=True,
        help_text="Small letters. Its tool find is called mcp:name.find",
    )
    #: True: the row of MCP_BASE_URL. Whatever the environment says is written over it.
    is_of_environment = models.BooleanField(default=False, editable=False)
    is_enabled = models.BooleanField("enabled", default=True)
    transport = models.CharField(
        max_length=16, choices=McpTransport, default=McpTransport.STREAMABLE_HTTP
    )
    url = models.URLField("address", max_length=500, blank=True)
    command = models.CharField(max_length=500, blank=True)
    args = models.JSONField(default=list, blank=True)
    #: Lines of NAME=value and of Name: value.
    env = EncryptedTextField(blank=True, default="")
    headers = EncryptedTextField(blank=True, default="")
    connect_timeout_s = models.FloatField(
        default=5.0, validators=[MinValueValidator(0.5), MaxValueValidator(30.0)]
    )
    call_timeout_s = models.FloatField(
        default=60.0, validators=[MinValueValidator(1.0), MaxValueValidator(600.0)]
    )

    # What was found, written by `mcp_reports_write`.
    state = models.CharField(
        max_length=12, choices=McpServerState, default=McpServerState.UNKNOWN, editable=False
    )
    last_error = models.TextField(blank=True, default="", editable=False)
    checked_at = models.DateTimeField(null=True, editable=False)
    revision = models.CharField(max_length=20, blank=True, default="", editable=False)
    software = models.CharField(max_length=200, blank=True, default="", editable=False)

    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "MCP server"
        permissions = [("run_programs", "May let workers run programs as MCP servers")]
        constraints = [
            models.UniqueConstraint(
                fields=["is_of_environment"],
                condition=models.Q(is_of_environment=True),
                name="mcp_server_one_of_environment",
            )
        ]

    def __str__(self) -> str:
        return self.name
