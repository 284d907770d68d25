from __future__ import annotations

from django.db import models
from django.db.models.functions import MD5, Now

from taskmapr.core.ids import uuid7

#: Attempts before a callback is given up.
MAX_ATTEMPTS = 8


class DeliveryStatus(models.TextChoices):
    #: The run is not over yet.
    WAITING = "waiting"
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    #: The receiver answered 410: it wants no more.
    DISABLED = "disabled"


class Delivery(models.Model):
    """A callback: the end of a run, told to one address, in as many attempts as it takes.

    What is sent is not here: it is made of the run at the moment of sending.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Served by the unique constraint below, which begins with it.
    run = models.ForeignKey(
        "orchestration.Run", on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    url = models.TextField()
    status = models.CharField(max_length=10, choices=DeliveryStatus, default=DeliveryStatus.WAITING)
    #: Attempts whose outcome is known.
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    #: Given up when so many were made; grows when somebody asks for it again.
    gives_up_after = models.PositiveSmallIntegerField(default=MAX_ATTEMPTS, db_default=MAX_ATTEMPTS)
    #: The database's clock; null unless it is pending.
    next_attempt_at = models.DateTimeField(null=True)
    #: A worker is sending it until then at most; the token fences off one that took longer.
    leased_until = models.DateTimeField(null=True)
    lease_token = models.PositiveBigIntegerField(default=0, db_default=0)
    last_status_code = models.PositiveSmallIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "agent_deliveries"
        ordering = ["-id"]
        verbose_name = "callback"
        verbose_name_plural = "callbacks"
        constraints = [
            models.UniqueConstraint("run", MD5("url"), name="agent_deliveries_once_per_url"),
            models.CheckConstraint(
                name="agent_deliveries_pending_has_time",
                condition=~models.Q(status="pending") | models.Q(next_attempt_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(status="pending"),
                name="agent_deliveries_due",
            ),
            models.Index(
                fields=["run"],
                condition=models.Q(status="waiting"),
                name="agent_deliveries_waiting",
            ),
        ]

    def __str__(self) -> str:
        return f"callback {self.message_id}"

    @property
    def message_id(self) -> str:
        """Equal on all attempts: receivers know repeats by it."""
        return f"msg_{self.id.hex}"


class DeliveryAttempt(models.Model):
    """What came of sending a callback once."""

    delivery = models.ForeignKey(
        "orchestration.Delivery", on_delete=models.CASCADE, related_name="made", db_index=False
    )
    number = models.PositiveSmallIntegerField()
    at = models.DateTimeField(db_default=Now())
    duration_ms = models.PositiveIntegerField()
    #: Null: no answer.
    status_code = models.PositiveSmallIntegerField(null=True)
    #: The beginning of the answer; sealed where the run is, for it may repeat what was sent.
    excerpt = models.TextField(blank=True, default="")
    is_sealed = models.BooleanField(default=False)
    error = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        db_table = "agent_delivery_attempts"
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["delivery", "number"], name="agent_delivery_attempts_once"
            )
        ]

    def __str__(self) -> str:
        return f"attempt {self.number}"
