"""What a key may be used for: the closed list of scopes."""

from __future__ import annotations

from typing import Final

from django.db import models


class Scope(models.TextChoices):
    """A scope is a promise to those who made keys with it: never widen one, add another."""

    OVERLAY = "overlay", "use the overlay's assistant"
    HISTORY_READ = "history:read", "read conversations"
    RUNS_READ = "runs:read", "follow all runs"
    RUNS_WRITE = "runs:write", "cancel, answer questions"
    TASKS_READ = "tasks:read", "read its tasks, their results and files"
    TASKS_ASSIGN = "tasks:assign", "assign tasks"
    TASKS_CANCEL = "tasks:cancel", "cancel its tasks"
    INTENTS_RUN = "intents:run", "run intents and follow their jobs"
    IMPERSONATE = "impersonate", "name another user in the context of an intent"
    METRICS = "metrics", "read the server's figures"


#: For a view that any valid credential may use, whatever its scopes.
ANY: Final = "*"
