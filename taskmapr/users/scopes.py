"""What a key may be used for: the closed list of scopes."""

from __future__ import annotations

from typing import Final

from django.db import models


class Scope(models.TextChoices):
    """A scope is a promise to those who made keys with it: never widen one, add another."""

    OVERLAY = "overlay", "Ask the overlay's assistant, follow and cancel its runs"
    HISTORY_READ = "history:read", "Read conversations"
    RUNS_READ = "runs:read", "Read and follow runs of every kind"
    RUNS_WRITE = "runs:write", "Cancel runs of every kind and answer their questions"
    TASKS = "tasks", "Use the task queue"
    INTENTS = "intents", "Use intents"
    METRICS = "metrics", "Read the server's figures"


#: For a view that any valid credential may use, whatever its scopes.
ANY: Final = "*"
