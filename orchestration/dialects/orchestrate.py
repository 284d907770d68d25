"""What came of an intent, as one JSON object: in answers, in lists of jobs, in callbacks.

A fold over the log of the job's run. Kinds that say nothing here are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from orchestration.dialects.base import usage_of
from orchestration.intents.names import job_id_of
from orchestration.intents.words import SHOWN, cancelled, error_told
from taskmapr.core import run_state
from taskmapr.core.errors import TaskMaprError
from taskmapr.core.events import Event
from taskmapr.core.timestamps import timestamp_of

#: Members of a result that are repeated beside it when it says that nothing was done.
DRY_RUN: Final = ("dry_run", "note")
#: The kinds of events of which an outcome is made.
TELLING: Final = ("progress", "result", "error")


class Outcome:
    """What a run's log says of how it went, so far."""

    def __init__(self) -> None:
        self.status = run_state.QUEUED
        self.attempts = 0
        self.duration_ms: int | None = None
        self.result: Any = None
        self.error: Mapping[str, Any] | None = None
        self.progress: Mapping[str, Any] | None = None
        self.mode_reason: str | None = None

    def feed(self, kind: str, data: Mapping[str, Any]) -> None:
        if (move := _MOVES.get(kind)) is not None:
            move(self, data)

    def feed_all(self, events: Iterable[Event]) -> Outcome:
        for event in events:
            self.feed(event.kind, event.data)
        return self

    @property
    def is_final(self) -> bool:
        return self.status in run_state.FINAL_STATUSES

    @property
    def is_dry_run(self) -> bool:
        return isinstance(self.result, Mapping) and self.result.get("dry_run") is True

    def problem(self) -> TaskMaprError | None:
        """The error with which who waited is answered; None when it went well, or goes on."""
        if self.status == run_state.CANCELLED:
            return cancelled()
        return error_told(self.error) if self.is_final and self.error is not None else None

    def _created(self, data: Mapping[str, Any]) -> None:
        self.mode_reason = data.get("mode_reason")

    def _started(self, data: Mapping[str, Any]) -> None:
        self.status, self.attempts = run_state.RUNNING, data["attempt"]

    def _retrying(self, data: Mapping[str, Any]) -> None:
        self.status = run_state.RETRYING

    def _paused(self, data: Mapping[str, Any]) -> None:
        self.status = run_state.PAUSED

    def _finished(self, data: Mapping[str, Any]) -> None:
        self.status, self.duration_ms = data["status"], data["duration_ms"]

    def _result(self, data: Mapping[str, Any]) -> None:
        self.result = data.get("value")

    def _error(self, data: Mapping[str, Any]) -> None:
        self.error = data

    def _progress(self, data: Mapping[str, Any]) -> None:
        self.progress = data


#: Not in the object: a table of its own methods would be a circle, one for each job.
_MOVES: Final[Mapping[str, Callable[[Outcome, Mapping[str, Any]], None]]] = {
    "run.created": Outcome._created,
    "run.started": Outcome._started,
    "run.retrying": Outcome._retrying,
    "run.paused": Outcome._paused,
    "run.finished": Outcome._finished,
    "result": Outcome._result,
    "error": Outcome._error,
    "progress": Outcome._progress,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """What the run's row says of the job, which never changes."""

    run_id: UUID
    intent: str
    mode: str

    @property
    def job_id(self) -> str:
        return job_id_of(self.run_id)


def success_body(facts: JobFacts, outcome: Outcome) -> dict[str, Any]:
    """The answer to who waited for a job that went well."""
    body = {
        "status": "success",
        "result": outcome.result,
        "mode": facts.mode,
        "duration_ms": outcome.duration_ms,
        "job_id": facts.job_id,
        "intent": facts.intent,
    }
    if outcome.is_dry_run:
        body |= {name: outcome.result[name] for name in DRY_RUN if name in outcome.result}
    return body


def accepted_body(facts: JobFacts, callback_url: str | None) -> dict[str, Any]:
    """The answer while the job goes on."""
    return {
        "status": "accepted",
        "job_id": facts.job_id,
        "message": "Job accepted for async processing",
        "mode": facts.mode,
        "callback_url": callback_url,
        "status_url": f"/jobs/{facts.job_id}",
        "stream_url": f"/jobs/{facts.job_id}/stream",
    }


def failure_members(facts: JobFacts, outcome: Outcome) -> dict[str, Any]:
    """What the problem of a failed job says beside what every problem says."""
    return {"job_id": facts.job_id, "mode": facts.mode, "duration_ms": outcome.duration_ms}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """The run's columns, and what its owner gave it."""

    facts: JobFacts
    status: str
    mode_reason: str | None
    attempt: int
    callback_url: str | None
    context: Mapping[str, Any] | None
    input_tokens: int
    output_tokens: int
    cost_usd_micros: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    duration_ms: int | None


def job_body(row: JobRow, outcome: Outcome, callback: Mapping[str, Any]) -> dict[str, Any]:
    """A job, with every member that it can have."""
    status = SHOWN[row.status]
    return {
        "job_id": row.facts.job_id,
        "status": status,
        "intent": row.facts.intent,
        "mode": row.facts.mode,
        "mode_reason": row.mode_reason,
        "result": outcome.result if status == "success" else None,
        "error": _error(row.status, outcome.error),
        "progress": progress_told(outcome.progress, is_done=status == "success"),
        "attempts": row.attempt,
        "callback_url": row.callback_url,
        "callback": dict(callback),
        "context": row.context,
        "usage": usage_of(row.input_tokens, row.output_tokens),
        "cost": {"usd_micros": row.cost_usd_micros},
        "created_at": timestamp_of(row.created_at),
        "started_at": timestamp_of(row.started_at) if row.started_at else None,
        "completed_at": timestamp_of(row.finished_at) if row.finished_at else None,
        "duration_ms": row.duration_ms,
    }


def progress_told(data: Mapping[str, Any] | None, *, is_done: bool = False) -> dict[str, Any]:
    """{percent, text}: 0 before anybody said anything, 100 when all went well."""
    text = (data or {}).get("text")
    if is_done:
        return {"percent": 100, "text": text}
    percent = round((data or {}).get("fraction", 0) * 100, 1)
    return {"percent": int(percent) if percent == int(percent) else percent, "text": text}


def _error(status: str, data: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if data is None or status not in (run_state.FAILED, run_state.TIMED_OUT):
        return None
    told = {name: data[name] for name in ("code", "message")}
    return {**told, "retryable": data.get("retryable", False)}
