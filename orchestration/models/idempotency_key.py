from __future__ import annotations

from django.conf import settings
from django.db import models


class IdempotencyKey(models.Model):
    """Which run a request began, so that the same request, sent again, finds that run."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    key = models.CharField(max_length=255)
    #: SHA-256 of the accepted body, in hex.
    fingerprint = models.CharField(max_length=64)
    # Only erasures look for it; a table that holds minutes needs no index for that.
    run = models.ForeignKey(
        "orchestration.Run", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "agent_idempotency_keys"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "key"], name="agent_idempotency_keys_once")
        ]

    def __str__(self) -> str:
        return self.key.strip()[:20]
