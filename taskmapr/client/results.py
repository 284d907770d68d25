"""What the server tells, typed. `raw` is the whole object, for members that have no name here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from taskmapr.client.errors import JobFailed

Json = Mapping[str, Any]

_JOB_OPEN: Final = frozenset({"accepted", "running", "retrying"})
_TASK_OPEN: Final = frozenset({"assigned", "running", "retrying"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a job or task ended without success."""

    code: str
    message: str
    retryable: bool

    @classmethod
    def of(cls, told: Json | None) -> Problem | None:
        if not told:
            return None
        return cls(
            code=str(told.get("code") or ""),
            message=str(told.get("message") or ""),
            retryable=bool(told.get("retryable")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far it has come. `percent` is 0 to 100, None when nobody said."""

    percent: float | None = None
    text: str = ""

    @classmethod
    def of(cls, told: Json | None) -> Progress:
        told = told or {}
        return cls(percent=told.get("percent"), text=str(told.get("text") or ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An intent under way or over."""

    job_id: str
    #: accepted, running, retrying, success, error, cancelled or timeout.
    status: str
    intent: str
    mode: str
    #: With `success` only.
    result: Any
    error: Problem | None
    progress: Progress
    attempts: int
    duration_ms: int | None
    created_at: datetime | None
    completed_at: datetime | None
    raw: Json = field(repr=False)
    #: The server knew the request: nothing was done anew.
    is_replay: bool = False

    @classmethod
    def of(cls, told: Json, *, is_replay: bool = False) -> Job:
        return cls(
            job_id=str(told["job_id"]),
            status=str(told["status"]),
            intent=str(told.get("intent") or ""),
            mode=str(told.get("mode") or ""),
            result=told.get("result"),
            error=Problem.of(told.get("error")),
            progress=Progress.of(told.get("progress")),
            attempts=int(told.get("attempts") or 0),
            duration_ms=told.get("duration_ms"),
            created_at=_time(told.get("created_at")),
            completed_at=_time(told.get("completed_at")),
            raw=told,
            is_replay=is_replay,
        )

    @property
    def is_final(self) -> bool:
        return self.status not in _JOB_OPEN

    def value(self) -> Any:
        """The result of a job that succeeded. Raises JobFailed for one that ended otherwise, and
        ValueError for one that goes on."""
        return _value(self, self.job_id, "success")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """Jobs, newest first. `next_cursor` leads to older ones; None: there are none."""

    jobs: tuple[Job, ...]
    next_cursor: str | None

    @classmethod
    def of(cls, told: Json) -> JobPage:
        listed = told.get("jobs") or told.get("items") or ()
        return cls(jobs=tuple(map(Job.of, listed)), next_cursor=told.get("next_cursor"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Something that may be asked for."""

    name: str
    description: str
    mode: str
    modes: tuple[str, ...]
    inputs_schema: Json
    danger: str
    raw: Json = field(repr=False)

    @classmethod
    def of(cls, told: Json) -> Intent:
        return cls(
            name=str(told["name"]),
            description=str(told.get("description") or ""),
            mode=str(told.get("mode") or ""),
            modes=tuple(told.get("modes") or ()),
            inputs_schema=told.get("inputs_schema") or {},
            danger=str(told.get("danger") or ""),
            raw=told,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent:
    """One frame of a job's stream: `metadata`, `progress`, `log`, `text_delta`, `complete` ..."""

    type: str
    data: Json
    seq: int | None
    raw: Json = field(repr=False)

    @classmethod
    def of(cls, told: Json) -> StreamEvent:
        return cls(
            type=str(told.get("type") or ""),
            data=told.get("data") or {},
            seq=told.get("seq"),
            raw=told,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    timestamp: datetime | None
    level: str
    message: str
    attempt: int

    @classmethod
    def of(cls, told: Json) -> LogLine:
        return cls(
            timestamp=_time(told.get("timestamp")),
            level=str(told.get("level") or ""),
            message=str(told.get("message") or ""),
            attempt=int(told.get("attempt") or 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Screenshot:
    name: str
    #: Begins with `/` and can be opened for a while without credentials.
    url: str
    kind: str
    raw: Json = field(repr=False)

    @classmethod
    def of(cls, told: Json) -> Screenshot:
        return cls(
            name=str(told["name"]),
            url=str(told["url"]),
            kind=str(told.get("kind") or ""),
            raw=told,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    name: str
    #: Begins with `/` and can be opened for a while without credentials.
    url: str
    size: int
    mime: str
    sha256: str

    @classmethod
    def of(cls, told: Json) -> Download:
        return cls(
            name=str(told["name"]),
            url=str(told["url"]),
            size=int(told.get("size") or 0),
            mime=str(told.get("mime") or ""),
            sha256=str(told.get("sha256") or ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A queued task under way or over."""

    task_id: str
    task_type: str
    #: assigned, running, retrying, completed, failed, cancelled or timed_out.
    status: str
    result: Any
    error: Problem | None
    message: str
    progress: Progress
    attempts: int
    logs: tuple[LogLine, ...]
    screenshots: tuple[Screenshot, ...]
    downloads: tuple[Download, ...]
    created_at: datetime | None
    completed_at: datetime | None
    duration_ms: int | None
    raw: Json = field(repr=False)

    @classmethod
    def of(cls, told: Json) -> Task:
        return cls(
            task_id=str(told["task_id"]),
            task_type=str(told.get("task_type") or ""),
            status=str(told["status"]),
            result=told.get("result"),
            error=Problem.of(told.get("error")),
            message=str(told.get("message") or ""),
            progress=Progress.of(told.get("progress")),
            attempts=int(told.get("attempts") or 0),
            logs=tuple(map(LogLine.of, told.get("logs") or ())),
            screenshots=tuple(map(Screenshot.of, told.get("screenshots") or ())),
            downloads=tuple(map(Download.of, told.get("downloads") or ())),
            created_at=_time(told.get("created_at")),
            completed_at=_time(told.get("completed_at")),
            duration_ms=told.get("duration_ms"),
            raw=told,
        )

    @property
    def is_final(self) -> bool:
        return self.status not in _TASK_OPEN

    def value(self) -> Any:
        """The result of a task that completed. Raises JobFailed for one that ended otherwise, and
        ValueError for one that goes on."""
        return _value(self, self.task_id, "completed")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPage:
    """Tasks, newest first, without their logs."""

    tasks: tuple[Task, ...]
    next_cursor: str | None

    @classmethod
    def of(cls, told: Json) -> TaskPage:
        return cls(
            tasks=tuple(map(Task.of, told.get("items") or ())),
            next_cursor=told.get("next_cursor"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskType:
    """A type of task that may be assigned."""

    name: str
    title: str
    description: str
    params_schema: Json
    enabled: bool
    raw: Json = field(repr=False)

    @classmethod
    def of(cls, told: Json) -> TaskType:
        return cls(
            name=str(told["name"]),
            title=str(told.get("title") or ""),
            description=str(told.get("description") or ""),
            params_schema=told.get("params_schema") or {},
            enabled=bool(told.get("enabled", True)),
            raw=told,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFigures:
    """Calls, tokens, and what they cost in millionths of a US dollar. `unpriced`: of the calls,
    those whose model has no price, so that their cost is not in the sum."""

    calls: int
    failed: int
    unpriced: int
    input_tokens: int
    output_tokens: int
    cost_usd_micros: int

    @classmethod
    def of(cls, told: Json) -> UsageFigures:
        return cls(**{name: int(told.get(name) or 0) for name in cls.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """The figures of one day, tool, intent or user."""

    name: str
    figures: UsageFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was used from the first to the last day, both included. `total` counts runs; rows by
    tool count calls, of which one run may make several. `is_cut`: there are more rows."""

    first: date
    last: date
    group_by: str
    rows: tuple[UsageRow, ...]
    total: UsageFigures
    is_cut: bool
    raw: Json = field(repr=False)

    @classmethod
    def of(cls, told: Json) -> Usage:
        group_by = str(told["group_by"])
        return cls(
            first=date.fromisoformat(told["from"]),
            last=date.fromisoformat(told["to"]),
            group_by=group_by,
            rows=tuple(
                UsageRow(name=str(row[group_by]), figures=UsageFigures.of(row))
                for row in told["usage"]
            ),
            total=UsageFigures.of(told["total"]),
            is_cut=bool(told.get("is_cut")),
            raw=told,
        )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _value(one: Job | Task, name: str, good: str) -> Any:
    if one.status == good:
        return one.result
    if not one.is_final:
        raise ValueError(f"{name} goes on: {one.status}")
    known = one.error or Problem(code="", message=f"It ended as {one.status}.", retryable=False)
    raise JobFailed(known.code or one.status, known.message, retryable=known.retryable)
