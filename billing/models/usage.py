from __future__ import annotations

from django.db import models


class Usage(models.Model):
    """What runs that ended on one day (UTC) took, added up; never what they were about.

    A row with an empty `part` adds up runs. The others add up their parts: calls of a tool, by its
    name, and turns of a model, as `model:<name>`; together they are what the runs took.
    """

    day = models.DateField()
    user = models.ForeignKey(
        "users.User", on_delete=models.CASCADE, related_name="usage", db_index=False
    )
    #: `user:<id>` or `key:<id>`; empty where the kind of run names none.
    credential = models.CharField(max_length=80)
    kind = models.CharField(max_length=40)
    #: The intent, or the type of task.
    subject = models.CharField(max_length=200)
    mode = models.CharField(max_length=12)
    part = models.CharField(max_length=220)
    calls = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)
    #: Of the calls, those that used tokens of a model without a price.
    unpriced = models.PositiveBigIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cost_usd_micros = models.PositiveBigIntegerField(default=0)

    class Meta:
        db_table = "billing_usage"
        verbose_name = "usage record"
        ordering = ["-day", "-cost_usd_micros", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "day", "part", "kind", "subject", "mode", "credential"],
                name="billing_usage_one",
            )
        ]
        indexes = [models.Index(fields=["day"], name="billing_usage_day")]

    def __str__(self) -> str:
        return f"{self.part or self.subject or self.kind} on {self.day}"
