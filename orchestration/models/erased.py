from __future__ import annotations

from django.db import models


class ErasedRuns(models.Model):
    """What remains of runs that were erased with their user or session: how many of a day, and
    what they took. Nothing here leads back to anybody."""

    day = models.DateField()
    kind = models.CharField(max_length=40)
    status = models.CharField(max_length=12)
    runs = models.PositiveBigIntegerField()
    input_tokens = models.PositiveBigIntegerField()
    output_tokens = models.PositiveBigIntegerField()
    #: Of the runs whose price was known.
    cost_usd_micros = models.PositiveBigIntegerField()

    class Meta:
        db_table = "agent_erased_runs"
        ordering = ["-day", "kind", "status"]
        verbose_name_plural = "erased runs"
        constraints = [
            models.UniqueConstraint(fields=["day", "kind", "status"], name="agent_erased_runs_key")
        ]

    def __str__(self) -> str:
        return f"{self.runs} {self.status} {self.kind} runs of {self.day}"
