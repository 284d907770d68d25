"""What was used, added up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal, get_args
from uuid import UUID

from django.db import connection

GroupBy = Literal["tool", "intent", "user", "day"]
GROUPS: Final[tuple[GroupBy, ...]] = get_args(GroupBy)
#: Groups in one answer.
MOST: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """A group, or all of them. `unpriced`: of the calls, those whose model has no price."""

    name: str
    calls: int
    failed: int
    unpriced: int
    input_tokens: int
    output_tokens: int
    cost_usd_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """`rows`: at most MOST, those that cost and called the most first, days in their order.
    `total`: of all runs, and of groups that were cut off as well."""

    rows: list[UsageRow]
    total: UsageRow
    is_cut: bool


_NAMES: Final[dict[GroupBy, str]] = {
    "tool": "part",
    "intent": "CASE kind WHEN 'task' THEN 'task.' || subject"
    " ELSE coalesce(nullif(subject, ''), kind) END",
    "user": "user_id::text",
    "day": "day::text",
}
_SUMS: Final = """
  coalesce(sum(calls), 0)::bigint AS calls, coalesce(sum(failed), 0)::bigint,
  coalesce(sum(unpriced), 0)::bigint, coalesce(sum(input_tokens), 0)::bigint,
  coalesce(sum(output_tokens), 0)::bigint, coalesce(sum(cost_usd_micros), 0)::bigint AS cost
FROM billing_usage
WHERE day BETWEEN %(first)s AND %(last)s
  AND (%(user)s::uuid IS NULL OR user_id = %(user)s)
"""


def usage_report(
    *, group_by: GroupBy, first: date, last: date, user_id: UUID | None
) -> UsageReport:
    """What ended from the first day to the last (UTC), both included. user_id None: everybody's."""
    is_part = "part <> ''" if group_by == "tool" else "part = ''"
    order = "1" if group_by == "day" else "cost DESC, calls DESC, 1"
    sql = (
        f"SELECT {_NAMES[group_by]}, {_SUMS} AND {is_part} GROUP BY 1 ORDER BY {order} LIMIT %(n)s"
    )
    values: dict[str, Any] = {"first": first, "last": last, "user": user_id, "n": MOST + 1}
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows = [_row(row) for row in cursor.fetchall()]
        cursor.execute(f"SELECT '', {_SUMS} AND part = ''", values)
        total = _row(cursor.fetchone())
    return UsageReport(rows=rows[:MOST], total=total, is_cut=len(rows) > MOST)


def _row(row: tuple[Any, ...]) -> UsageRow:
    name, calls, failed, unpriced, input_tokens, output_tokens, cost = row
    return UsageRow(
        name=name,
        calls=calls,
        failed=failed,
        unpriced=unpriced,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost_usd_micros=cost,
    )
