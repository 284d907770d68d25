from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class KeyKind(models.TextChoices):
    MESSAGE = "message", "Message of a page"
    HEADER = "header", "Sent by the client"
    EQUAL = "equal", "Equal request"


class IdempotencyKey(models.Model):
    """Which run a request began, so that the same request, sent again, finds that run."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    #: What the client sent, behind the path where it counts for one path alone; else a digest
    #: behind a space, which no client's key begins with.
    key = models.CharField(max_length=400)
    kind = models.CharField(
        max_length=12, choices=KeyKind, default=KeyKind.MESSAGE, db_default=KeyKind.MESSAGE
    )
    #: SHA-256 of the accepted body, in hex.
    fingerprint = models.CharField(max_length=64)
    # Only erasures look for it; a table that holds minutes needs no index for that.
    run = models.ForeignKey(
        "orchestration.Run", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "agent_idempotency_keys"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "key"], name="agent_idempotency_keys_once")
        ]

    def __str__(self) -> str:
        return self.key.strip()[:20]
