"""Month partitions of the event log, made ahead.

A run id begins with the millisecond of its creation (`taskmapr.core.ids.uuid7`), so the ids of a
month are one range.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from django.db import connection, transaction

from taskmapr.core.ids import uuid7_floor

MONTHS_AHEAD: Final = 12
TABLE: Final = "agent_run_events"


def months_from(start: datetime, count: int) -> list[datetime]:
    """The first moments (UTC) of `count` months, beginning with the month of `start`."""
    first = start.year * 12 + start.month - 1
    return [datetime(n // 12, n % 12 + 1, 1, tzinfo=UTC) for n in range(first, first + count)]


@transaction.atomic
def partitions_ensure(now: datetime) -> list[str]:
    """Make sure that this month and MONTHS_AHEAD more have a partition. Returns the new ones."""
    months = months_from(now, MONTHS_AHEAD + 2)
    existing = partition_names()
    made = []
    for begin, end in pairwise(months):
        name = f"{TABLE}_{begin:%Y_%m}"
        if name in existing:
            continue
        with connection.cursor() as cursor:
            cursor.execute(
                f"CREATE TABLE {name} PARTITION OF {TABLE}"
                f" FOR VALUES FROM ('{uuid7_floor(begin)}') TO ('{uuid7_floor(end)}')"
            )
        made.append(name)
    return made


def partition_names() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = %s::regclass",
            [TABLE],
        )
        return {row[0] for row in cursor.fetchall()}
