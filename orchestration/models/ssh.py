from __future__ import annotations

from typing import Final

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

#: What a target shows unless operators say otherwise.
PATH_PREFIXES: Final = (
    "/var/log",
    "/etc/os-release",
    "/etc/hostname",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/loadavg",
    "/srv",
    "/opt",
)


def path_prefixes() -> list[str]:
    return list(PATH_PREFIXES)


class SshTarget(models.Model):
    """A host on which commands may be run. Saved through `ssh_target_save`."""

    alias = models.CharField(
        max_length=100, unique=True, help_text="How callers name the host, such as web1"
    )
    is_enabled = models.BooleanField("enabled", default=True)
    address = models.CharField(max_length=253, help_text="A name or an IP address")
    port = models.PositiveIntegerField(
        default=22, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    user = models.CharField(max_length=32, help_text="A restricted account of that host")
    #: The name of a secret; never its value.
    key_secret = models.CharField(max_length=80)
    #: Public keys, each as `<type> <base64>`. Only these are accepted.
    host_keys = models.JSONField(default=list)
    allows_peek = models.BooleanField(default=True)
    allows_exec = models.BooleanField(default=False)
    #: False: only these users and their keys.
    is_for_everybody = models.BooleanField(default=False)
    users = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="+")
    #: Whether a model may choose to call it.
    agent_may_use = models.BooleanField(default=False)
    #: Below which files may be read by `ssh.exec.peek`.
    path_prefixes = models.JSONField(default=path_prefixes, blank=True)
    #: What an operator's test of the connection found; the key is what the host showed then.
    checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    check_told = models.CharField(max_length=300, blank=True, default="", editable=False)
    presented_key = models.TextField(blank=True, default="", editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "agent_ssh_targets"
        verbose_name = "SSH target"
        ordering = ["alias"]

    def __str__(self) -> str:
        return self.alias


class CommandRule(models.Model):
    """Commands that are refused even when confirmed. Saved through `command_rule_save`."""

    reason = models.CharField(max_length=120, help_text="What callers are told")
    #: Searched for in each command as `commands_in` gives it.
    pattern = models.CharField(max_length=500)
    is_enabled = models.BooleanField("enabled", default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "agent_command_rules"
        verbose_name = "deny rule"
        ordering = ["reason", "id"]

    def __str__(self) -> str:
        return self.reason


class SshDecision(models.TextChoices):
    ALLOWED = "allowed", "allowed"
    DRY_RUN = "dry_run", "dry run"
    REFUSED = "refused", "refused"


class SshAudit(models.Model):
    """One call of an SSH tool, also a refused one. Written before a host is contacted; how it ended
    is added once. Nothing else is ever changed. Targets are named, not referred to."""

    at = models.DateTimeField(db_default=Now())
    #: Whose limits the run counted against, `user:<id>` or `key:<id>`.
    principal = models.CharField(max_length=80)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    is_models_choice = models.BooleanField(default=False)
    run_id = models.UUIDField(null=True, db_index=True)
    tool = models.CharField(max_length=40)
    target = models.CharField(max_length=100)
    #: Without what looks like a secret.
    command = models.TextField()
    decision = models.CharField(max_length=10, choices=SshDecision)
    reasons = models.JSONField(default=list)
    #: Empty while nobody knows, and without an error.
    error_code = models.CharField(max_length=60, blank=True, default="")
    exit_code = models.IntegerField(null=True)
    duration_ms = models.PositiveIntegerField(null=True)

    class Meta:
        db_table = "agent_ssh_audit"
        verbose_name = "command run"
        verbose_name_plural = "commands run"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["at"], name="agent_ssh_audit_by_time"),
            models.Index(fields=["target", "-id"], name="agent_ssh_audit_by_target"),
        ]

    def __str__(self) -> str:
        return f"{self.tool} on {self.target}: {self.decision}"
