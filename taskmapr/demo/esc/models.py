"""The demo site's own tables. Nothing else of TaskMapr knows them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

from django.db import models
from django.db.models.functions import Now


class BatchState(models.TextChoices):
    PENDING = "pending", "Pending"
    APPROVED = "approved", "Approved"
    LOCKED = "locked", "Locked"


class Batch(models.Model):
    """Something to approve."""

    number = models.PositiveIntegerField(primary_key=True)
    title = models.CharField(max_length=120)
    amount_cents = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=BatchState, default=BatchState.PENDING)
    approved_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["number"]

    def __str__(self) -> str:
        return f"Batch {self.number}"

    @property
    def amount(self) -> str:
        return f"€ {self.amount_cents / 100:,.2f}"


def _key() -> str:
    return secrets.token_urlsafe(32)


def _end() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


class EscSession(models.Model):
    """Somebody who signed in on the demo site. Its key is the value of a cookie."""

    key = models.CharField(max_length=64, primary_key=True, default=_key)
    username = models.CharField(max_length=80)
    #: True: it began because a page asked for another sign-in.
    was_asked_again = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(default=_end)

    class Meta:
        ordering = ["created_at"]

    def __str__(self) -> str:
        return self.username
