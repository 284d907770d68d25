from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.functions import Now


class DefinitionKind(models.TextChoices):
    CODE = "code", "Made in code"
    ALIAS = "alias", "Another type with fixed parameters"
    INTENT = "intent", "An intent"
    HTTP_REQUEST = "http_request", "An HTTP request"
    AGENT_PROMPT = "agent_prompt", "A prompt for a model"
    SEQUENCE = "sequence", "Tasks one after another"


class TaskDanger(models.TextChoices):
    READ = "read"
    WRITE = "write"
    DANGEROUS = "dangerous"


class TaskDefinition(models.Model):
    """A type of task that operators wrote down; for one that is made in code, what they say of it.

    A task keeps the version that it was assigned with.
    """

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=20, choices=DefinitionKind)
    is_enabled = models.BooleanField("May be assigned", default=True)
    title = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    #: What the kind needs. alias: {type, params}; intent: {intent, inputs}; http_request: {method,
    #: url, headers, body, secrets}; agent_prompt: {instructions, model, tools}; sequence:
    #: {steps: [{name, type, params, on_error}]}.
    content = models.JSONField(default=dict, blank=True)
    #: JSON Schema of the parameters; empty: as the aliased type has it, else any object.
    params_schema = models.JSONField(default=dict, blank=True)
    example = models.JSONField(default=dict, blank=True)
    danger = models.CharField(max_length=12, choices=TaskDanger, default=TaskDanger.WRITE)
    timeout_s = models.FloatField(default=300)
    max_retries = models.PositiveSmallIntegerField(default=3)
    #: Tasks of this type at once; 0: any number, or as the code says.
    concurrency = models.PositiveIntegerField(default=0)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "agent_task_definitions"
        ordering = ["name"]
        verbose_name = "task type"

    def __str__(self) -> str:
        return self.name

    def snapshot(self) -> dict[str, Any]:
        """What a task keeps of it, as JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "title": self.title,
            "description": self.description,
            "content": self.content,
            "params_schema": self.params_schema,
            "example": self.example,
            "danger": self.danger,
            "timeout_s": self.timeout_s,
            "max_retries": self.max_retries,
            "concurrency": self.concurrency,
            "version": self.version,
        }
