"""What runs did in a window of time, as figures. Rows are found by id: ids sort by creation, and
the primary key is an exact index of them, which the block summaries of `created_at` are not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import Count, Min

from orchestration.models import Approval, Run
from orchestration.models.approval import ApprovalAsks, ApprovalStatus
from taskmapr.core.ids import uuid7_floor
from taskmapr.core.run_kinds import TASK
from taskmapr.core.run_state import OPEN_STATUSES, RUNNING

#: Runs whose tool calls are counted: their events have to be read.
TOOL_RUNS: Final = 1_000
#: Clocks of web processes, which make ids, may be so far from the database's.
_CLOCKS: Final = timedelta(minutes=1)
_ORIGIN: Final = datetime(2001, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A length of time up to now, cut into periods of equal length."""

    name: str
    title: str
    step: timedelta
    periods: int
    #: How the beginning of a period is written (strftime).
    label: str

    def starts(self, now: datetime) -> list[datetime]:
        """Beginnings of the periods in UTC, oldest first; the last one is not over yet."""
        last = now - (now - _ORIGIN) % self.step
        return [last - self.step * back for back in range(self.periods - 1, -1, -1)]


WINDOWS: Final = {
    window.name: window
    for window in (
        Window(name="1h", title="1 hour", step=timedelta(minutes=2), periods=30, label="%H:%M"),
        Window(name="24h", title="24 hours", step=timedelta(hours=1), periods=24, label="%H:%M"),
        Window(name="7d", title="7 days", step=timedelta(hours=6), periods=28, label="%d %b %H:%M"),
        Window(name="30d", title="30 days", step=timedelta(days=1), periods=30, label="%d %b"),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Milliseconds; None where nothing was measured."""

    p50: int | None
    p95: int | None
    p99: int | None

    @classmethod
    def of(cls, values: list[float] | None) -> Percentiles:
        rounded = [
            None if value is None else round(value) for value in values or (None, None, None)
        ]
        return cls(p50=rounded[0], p95=rounded[1], p99=rounded[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What happened in a period, or in all of them (`since` is None then)."""

    since: datetime | None
    runs: int
    succeeded: int
    failed: int
    timed_out: int
    cancelled: int
    #: From the request to the end, of runs that ended.
    duration: Percentiles
    #: From the request to the first output.
    first_output: Percentiles

    @property
    def still_open(self) -> int:
        return self.runs - self.succeeded - self.failed - self.timed_out - self.cancelled

    @property
    def troubled(self) -> int:
        return self.failed + self.timed_out


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    model: str
    runs: int
    troubled: int
    input_tokens: int
    output_tokens: int
    #: Of the runs whose cost is known; None when that is none of them.
    cost_usd_micros: int | None
    #: Runs that used tokens and have no price.
    unpriced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCount:
    code: str
    runs: int
    latest_run: UUID
    latest_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    tool: str
    calls: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTask:
    """A task that a worker carries out now."""

    id: UUID
    task_type: str
    queue: str
    attempt: int
    started_at: datetime
    worker_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWork:
    """What is not over, whenever it began."""

    by_status: dict[str, int]
    oldest_queued_at: datetime | None
    waiting_for_people: int


_ACTIVITY: Final = """
SELECT date_bin(%(step)s, greatest(created_at, %(since)s), %(origin)s) AS period,
       count(*),
       count(*) FILTER (WHERE status = 'succeeded'),
       count(*) FILTER (WHERE status = 'failed'),
       count(*) FILTER (WHERE status = 'timed_out'),
       count(*) FILTER (WHERE status = 'cancelled'),
       percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY duration_ms),
       percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY first_output_ms)
FROM agent_runs
WHERE id >= %(first_id)s AND created_at >= %(since)s
GROUP BY GROUPING SETS ((1), ())
"""


def activity(window: Window, *, now: datetime) -> tuple[Activity, list[Activity]]:
    """The whole window, and each of its periods, also empty ones. One query."""
    starts = window.starts(now)
    rows = rows_since(_ACTIVITY, starts[0], step=window.step, origin=_ORIGIN)
    found = {row[0]: _activity(row) for row in rows}
    nothing = (0, 0, 0, 0, 0, None, None)
    return found[None], [found.get(at) or _activity((at, *nothing)) for at in starts]


def _activity(row: tuple[Any, ...]) -> Activity:
    since, runs, succeeded, failed, timed_out, cancelled, duration, first_output = row
    return Activity(
        since=since,
        runs=runs,
        succeeded=succeeded,
        failed=failed,
        timed_out=timed_out,
        cancelled=cancelled,
        duration=Percentiles.of(duration),
        first_output=Percentiles.of(first_output),
    )


_MODELS: Final = """
SELECT model,
       count(*),
       count(*) FILTER (WHERE status IN ('failed', 'timed_out')),
       sum(input_tokens),
       sum(output_tokens),
       sum(cost_usd_micros)::bigint,
       count(*) FILTER (WHERE cost_usd_micros IS NULL AND input_tokens + output_tokens > 0)
FROM agent_runs
WHERE id >= %(first_id)s AND created_at >= %(since)s
GROUP BY model
ORDER BY sum(input_tokens) + sum(output_tokens) DESC, model
LIMIT 50
"""


def models_used(since: datetime) -> list[ModelUse]:
    """The fifty models that used the most tokens, most first."""
    return [
        ModelUse(
            model=row[0],
            runs=row[1],
            troubled=row[2],
            input_tokens=row[3],
            output_tokens=row[4],
            cost_usd_micros=row[5],
            unpriced=row[6],
        )
        for row in rows_since(_MODELS, since)
    ]


_ERRORS: Final = """
SELECT error_code, count(*), (array_agg(id ORDER BY id DESC))[1], max(created_at)
FROM agent_runs
WHERE id >= %(first_id)s AND created_at >= %(since)s AND error_code <> ''
GROUP BY error_code
ORDER BY count(*) DESC, error_code
LIMIT 20
"""


def errors_by_code(since: datetime) -> list[ErrorCount]:
    """The twenty most frequent codes with which runs ended."""
    return [
        ErrorCount(code=code, runs=runs, latest_run=latest, latest_at=at)
        for code, runs, latest, at in rows_since(_ERRORS, since)
    ]


# One visit to the log's primary key per run: no other index of the log would pay for itself.
_TOOLS: Final = """
SELECT call.data->>'tool',
       count(*),
       count(*) FILTER (WHERE call.data->>'ok' = 'false')
FROM (
    SELECT id FROM agent_runs
    WHERE id >= %(first_id)s AND created_at >= %(since)s
    ORDER BY id DESC LIMIT %(limit)s
) AS run
CROSS JOIN LATERAL (
    SELECT data FROM agent_run_events
    WHERE run_id = run.id AND kind = 'tool.completed'
) AS call
GROUP BY 1
ORDER BY 3 DESC, 2 DESC, 1
LIMIT %(most)s
"""


def tools_used(since: datetime, *, newest: int = TOOL_RUNS, most: int = 20) -> list[ToolUse]:
    """Tools that the newest runs of the window called, those that failed most first.

    most: how many tools.
    """
    return [
        ToolUse(tool=tool or "", calls=calls, failed=failed)
        for tool, calls, failed in rows_since(_TOOLS, since, limit=newest, most=most)
    ]


def open_work() -> OpenWork:
    open_runs = Run.objects.filter(status__in=OPEN_STATUSES).order_by()
    counts = open_runs.values_list("status").annotate(Count("pk"), Min("enqueued_at"))
    rows = {status: (number, oldest) for status, number, oldest in counts}
    return OpenWork(
        by_status={status: number for status, (number, _) in rows.items()},
        oldest_queued_at=rows.get("queued", (0, None))[1],
        waiting_for_people=Approval.objects.filter(status=ApprovalStatus.OPEN)
        .exclude(asks__in=(ApprovalAsks.FLOW, ApprovalAsks.STEP))
        .count(),
    )


def running_tasks(most: int) -> list[RunningTask]:
    """Those that run for the longest, at most so many."""
    running = Run.objects.filter(kind=TASK.name, status=RUNNING, started_at__isnull=False)
    columns = ("pk", "subject", "queue", "attempt", "started_at", "lease_owner")
    return [
        RunningTask(
            id=pk, task_type=subject, queue=queue, attempt=attempt, started_at=at, worker_id=owner
        )
        for pk, subject, queue, attempt, at, owner in running.order_by("started_at").values_list(
            *columns
        )[:most]
    ]


def runs_since_id(since: datetime) -> UUID:
    """No run created at or after this time has a smaller id."""
    return uuid7_floor(since - _CLOCKS)


def rows_since(sql: str, since: datetime, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"since": since, "first_id": runs_since_id(since), **values})
        return list(cursor.fetchall())
