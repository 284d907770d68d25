from __future__ import annotations

from typing import Any, NoReturn

from django.db import models

_REFUSAL = "a run's log is append-only; the writer alone adds to it"


class RunEventQuerySet(models.QuerySet["RunEvent"]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError(_REFUSAL)

    def delete(self) -> NoReturn:
        raise TypeError(_REFUSAL)


class RunEvent(models.Model):
    """One fact of a run's log.

    Partitioned by the month in which the run was created: run ids are UUIDs of version 7, so a
    range
    of ids is a range of time, `(run_id, seq)` stays a true primary key, and a run never spans two
    partitions. A trigger refuses updates and deletes, whoever asks; retention and erasure say so
    first with `SET LOCAL taskmapr.erasing = 'on'`.
    """

    pk = models.CompositePrimaryKey("run_id", "seq")
    # No foreign key: the writer's fencing proves that the run exists, and COPY stays cheap.
    run_id = models.UUIDField()
    seq = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=40)
    data = models.JSONField()
    at = models.DateTimeField()

    objects = RunEventQuerySet.as_manager()

    class Meta:
        db_table = "agent_run_events"
        ordering = ["run_id", "seq"]

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError(_REFUSAL)
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(_REFUSAL)
