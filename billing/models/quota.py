from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class QuotaScope(models.TextChoices):
    USER = "user", "Each user"
    KEY = "key", "Each API key"
    EVERYBODY = "everybody", "Everybody together"


class QuotaPeriod(models.TextChoices):
    DAY = "day", "Day"
    MONTH = "month", "Month"


class Quota(models.Model):
    """How much may be used in a day or a month (UTC). Empty limits do not limit.

    It counts runs that begin after it was made.
    """

    scope = models.CharField(max_length=10, choices=QuotaScope, default=QuotaScope.USER)
    user = models.ForeignKey(
        "users.User",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Only this user; empty: each user has as much",
    )
    api_key = models.ForeignKey(
        "users.ApiKey",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Only this key; empty: each key has as much",
    )
    pattern = models.CharField(
        "what",
        max_length=200,
        default="*",
        help_text="An intent, task. and a type of task, or overlay; * stands for any end: memory.*",
    )
    period = models.CharField(max_length=5, choices=QuotaPeriod, default=QuotaPeriod.DAY)
    max_calls = models.PositiveBigIntegerField("calls", null=True, blank=True)
    max_tokens = models.PositiveBigIntegerField("tokens", null=True, blank=True)
    max_cost_usd_micros = models.PositiveBigIntegerField(
        "money", null=True, blank=True, help_text="Millionths of a US dollar: 5000000 is $ 5"
    )
    is_enabled = models.BooleanField("enabled", default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "billing_quotas"
        ordering = ["scope", "pattern", "period", "id"]
        constraints = [
            models.CheckConstraint(
                name="billing_quotas_limit_something",
                condition=Q(max_calls__isnull=False)
                | Q(max_tokens__isnull=False)
                | Q(max_cost_usd_micros__isnull=False),
            ),
            models.CheckConstraint(
                name="billing_quotas_named_by_scope",
                condition=(Q(scope="user") | Q(user__isnull=True))
                & (Q(scope="key") | Q(api_key__isnull=True)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_scope_display()}, {self.pattern}, a {self.period}"


class QuotaUse(models.Model):
    """What one user, key, or everybody has used of a quota in one of its periods."""

    quota = models.ForeignKey(Quota, on_delete=models.CASCADE, related_name="uses", db_index=False)
    #: An id of a user, `key:<id>`, or empty for everybody.
    principal = models.CharField(max_length=80)
    #: The first day of the period, in UTC.
    starts_on = models.DateField()
    calls = models.PositiveBigIntegerField(default=0, db_default=0)
    tokens = models.PositiveBigIntegerField(default=0, db_default=0)
    cost_usd_micros = models.PositiveBigIntegerField(default=0, db_default=0)
    #: Of runs that are not settled yet.
    reserved_calls = models.PositiveBigIntegerField(default=0, db_default=0)
    reserved_cost_usd_micros = models.PositiveBigIntegerField(default=0, db_default=0)
    #: When it was told that little is left.
    warned_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "billing_quota_uses"
        constraints = [
            models.UniqueConstraint(
                fields=["quota", "principal", "starts_on"], name="billing_quota_uses_one"
            )
        ]

    def __str__(self) -> str:
        return f"{self.principal or 'everybody'} since {self.starts_on}"


class Reservation(models.Model):
    """What a run may take of a quota, until it is known what it took."""

    use = models.ForeignKey(QuotaUse, on_delete=models.CASCADE, related_name="reservations")
    #: No foreign key: runs belong to a storey above.
    run_id = models.UUIDField()
    cost_usd_micros = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "billing_reservations"
        constraints = [
            models.UniqueConstraint(fields=["run_id", "use"], name="billing_reservations_one")
        ]

    def __str__(self) -> str:
        return f"for {self.run_id}"
