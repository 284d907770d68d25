"""Intents and tasks in a window of time, by what they were, how they were done and for whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from orchestration.selectors.analytics import Percentiles, Window, rows_since
from taskmapr.core.run_kinds import INTENT, TASK

By = Literal["tool", "provider", "mode", "user"]

#: Kinds of runs that have a name for what is to be done.
KINDS: Final = (INTENT.name, TASK.name)
#: Rows of one table.
MOST: Final = 20

#: What stands before the first dot, as of tools; tools of MCP servers have their server's name.
_PROVIDER: Final = """
    CASE WHEN run.kind = 'task' THEN 'task'
         WHEN run.subject ~ '^mcp[.:]' THEN 'mcp:' || substring(run.subject from '^mcp[.:]([^./]+)')
         WHEN run.mode = 'mcp' THEN 'mcp'
         ELSE split_part(run.subject, '.', 1) END"""
#: What rows are grouped by: a name, and what its link needs beside it.
_BY: Final[dict[By, tuple[str, str]]] = {
    "tool": ("run.subject", "run.kind"),
    "provider": (_PROVIDER, "''"),
    "mode": ("run.mode", "''"),
    "user": ("owner.email", "owner.id::text"),
}

_FIGURES: Final = """
       count(*),
       count(*) FILTER (WHERE run.status = 'succeeded'),
       count(*) FILTER (WHERE run.status = 'failed'),
       count(*) FILTER (WHERE run.status = 'timed_out'),
       count(*) FILTER (WHERE run.status = 'cancelled'),
       coalesce(sum(greatest(run.attempt, 1) - 1), 0)::bigint,
       percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY run.duration_ms),
       sum(run.cost_usd_micros)::bigint,
       count(*) FILTER (
           WHERE run.cost_usd_micros IS NULL AND run.input_tokens + run.output_tokens > 0
       )
"""
_WHERE: Final = """
WHERE run.id >= %(first_id)s AND run.created_at >= %(since)s AND run.kind = ANY(%(kinds)s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What came of some intents and tasks. `name`, `key`: what they have in common."""

    name: str
    key: str
    calls: int
    succeeded: int
    failed: int
    timed_out: int
    cancelled: int
    #: Attempts beyond the first.
    retries: int
    #: From the request to the end, of those that ended.
    duration: Percentiles
    #: Of those whose cost is known; None when that is none of them.
    cost_usd_micros: int | None
    #: Runs that used tokens and have no price.
    unpriced: int

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed + self.timed_out + self.cancelled

    @property
    def still_open(self) -> int:
        return self.calls - self.ended

    @property
    def success_rate(self) -> float | None:
        """0 to 1, of those that ended and were not cancelled; None when that is none of them."""
        judged = self.ended - self.cancelled
        return self.succeeded / judged if judged else None


def work_by_time(window: Window, kinds: Sequence[str], *, now: datetime) -> tuple[Work, list[Work]]:
    """The whole window, and each of its periods, also empty ones. One query."""
    starts = window.starts(now)
    sql = f"""
    SELECT date_bin(%(step)s, greatest(run.created_at, %(since)s), %(since)s), '', {_FIGURES}
    FROM agent_runs run {_WHERE} GROUP BY GROUPING SETS ((1), ())
    """  # noqa: S608 - of constants
    rows = rows_since(sql, starts[0], step=window.step, kinds=list(kinds))
    found = {row[0]: _work("", *row[1:]) for row in rows}
    return found[None], [found.get(at) or _nothing() for at in starts]


def work_by(by: By, since: datetime, kinds: Sequence[str]) -> list[Work]:
    """The MOST names that were asked for most often, most first. One query."""
    name, key = _BY[by]
    owner = "JOIN users_user owner ON owner.id = run.owner_id" if by == "user" else ""
    sql = f"""
    SELECT {name}, {key}, {_FIGURES}
    FROM agent_runs run {owner} {_WHERE} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT %(most)s
    """  # noqa: S608 - of constants
    return [_work(*row) for row in rows_since(sql, since, kinds=list(kinds), most=MOST)]


def _work(name: str, key: str, *figures: Any) -> Work:
    calls, succeeded, failed, timed_out, cancelled, retries, duration, cost, unpriced = figures
    return Work(
        name=name,
        key=key,
        calls=calls,
        succeeded=succeeded,
        failed=failed,
        timed_out=timed_out,
        cancelled=cancelled,
        retries=retries,
        duration=Percentiles.of(duration),
        cost_usd_micros=cost,
        unpriced=unpriced,
    )


def _nothing() -> Work:
    return _work("", "", 0, 0, 0, 0, 0, 0, None, None, 0)
