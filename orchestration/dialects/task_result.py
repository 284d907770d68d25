"""What a task came to, as one JSON object: in answers, lists, callbacks, sockets and exports.

The object is a fold over the task's log. Feed the events in order, ask for the body at any time;
kinds that say nothing here are passed over, and leaving out earlier `log`, `progress` and `result`
events changes nothing but the lines that are told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from orchestration.page.sensitive import redact_members
from taskmapr.core import run_state
from taskmapr.core.events import Event
from taskmapr.core.timestamps import timestamp_of

#: Lines of the log in one body; the others are in the download `task.log`.
LOG_LINES: Final = 500

#: The stored status → (the word that is shown, the word that Celery has for it).
SHOWN: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        run_state.QUEUED: ("assigned", "PENDING"),
        run_state.RUNNING: ("running", "STARTED"),
        run_state.RETRYING: ("retrying", "RETRY"),
        run_state.PAUSED: ("running", "STARTED"),
        run_state.SUCCEEDED: ("completed", "SUCCESS"),
        run_state.FAILED: ("failed", "FAILURE"),
        run_state.CANCELLED: ("cancelled", "REVOKED"),
        run_state.TIMED_OUT: ("timed_out", "FAILURE"),
    }
)

_MESSAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        run_state.QUEUED: "Task '{type}' waits for a worker",
        run_state.RUNNING: "Task '{type}' is running",
        run_state.RETRYING: "Task '{type}' is tried again soon",
        run_state.PAUSED: "Task '{type}' waits for a person",
        run_state.SUCCEEDED: "Task '{type}' completed",
        run_state.CANCELLED: "Task '{type}' was cancelled",
    }
)

#: (folder of its address, file name) → address. Folders: `screenshots` and `results`.
UrlOf = Callable[[str, str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What the run's row says, at the moment it was read (before the events)."""

    task_id: str
    task_type: str
    #: As stored: one of `run_state.STATUSES`.
    status: str
    attempt: int
    max_retries: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error_code: str = ""
    error_message: str = ""
    #: The events were removed after their time: the row alone can tell.
    is_erased: bool = False
    #: Names of files whose bytes were removed after their time.
    gone: Collection[str] = frozenset()
    #: What else is worth telling, e.g. {"retry_of": id}.
    details: Mapping[str, Any] = field(default_factory=dict)


class TaskResult:
    """One task's object, growing with its events."""

    def __init__(self, facts: TaskFacts, url_of: UrlOf) -> None:
        self._facts = facts
        self._url_of = url_of
        self._status = run_state.QUEUED
        self._attempt = 0
        self._started_at = facts.started_at
        self._finished_at = facts.finished_at
        self._result: Any = None
        self._error: dict[str, Any] | None = None
        self._progress: dict[str, Any] | None = None
        #: Steps that were begun, if others do its work.
        self._steps: list[dict[str, Any]] = []
        self._goings_on = 0
        #: Confirmations that nobody has given or refused yet, by their ids.
        self._asked: dict[str, dict[str, Any]] = {}
        self._files: list[tuple[datetime, Mapping[str, Any]]] = []
        # One more than is told: then it is known that there are more.
        self._lines: deque[dict[str, Any]] = deque(maxlen=LOG_LINES + 1)
        self.seq = 0

    def feed_all(self, events: Iterable[Event]) -> TaskResult:
        for event in events:
            self.feed(event)
        return self

    def feed(self, event: Event) -> None:
        self.seq = event.seq
        if event.kind.startswith("run."):
            self._move(event)
        else:
            self._take(event)

    def _move(self, event: Event) -> None:
        match event.kind:
            case "run.started":
                self._status, self._attempt = run_state.RUNNING, event.data["attempt"]
                self._started_at = self._started_at or event.at
            case "run.retrying":
                self._status = run_state.RETRYING
            case "run.paused":
                self._status = run_state.PAUSED
            case "run.resumed":
                self._status = run_state.QUEUED
                # To go on behind a step is no attempt of its own.
                self._goings_on += bool(self._steps)
            case "run.finished":
                self._status, self._finished_at = event.data["status"], event.at

    def _take(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case "error":
                self._error = self._error_of(
                    data["code"], data["message"], is_retryable=data.get("retryable", False)
                )
            case "progress":
                self._progress = progress_of(data)
            case "log":
                self._lines.append(self._line(event))
            case "artifact":
                self._files.append((event.at, data))
            case "approval.requested" if data.get("step"):
                self._steps.append(data["step"])
            case "approval.requested" if data["asks"] == "approval" and not data.get("of"):
                self._asked[data["approval_id"]] = _confirmation(data)
            case "approval.resolved":
                self._asked.pop(data["approval_id"], None)
            case "result":
                self._result = data.get("value")

    # What it says now ----------------------------------------------------------------------------

    @property
    def stored_status(self) -> str:
        """One of `run_state.STATUSES`. The log wins once it has ended; before, whoever knows more:
        a row may be written a moment before the event, and outlives the events."""
        row = self._facts.status
        if self._status in run_state.FINAL_STATUSES:
            return self._status
        is_ahead = row in run_state.FINAL_STATUSES or self._status == run_state.QUEUED
        return row if is_ahead else self._status

    @property
    def status(self) -> str:
        return SHOWN[self.stored_status][0]

    @property
    def state(self) -> str:
        return SHOWN[self.stored_status][1]

    @property
    def is_ready(self) -> bool:
        return self.stored_status in run_state.FINAL_STATUSES

    @property
    def confirmation(self) -> dict[str, Any] | None:
        """What a person is asked now: {prompt, args, expires_at}."""
        return None if self.is_ready else next(iter(self._asked.values()), None)

    @property
    def attempts(self) -> int:
        return self._attempt - self._goings_on if self._attempt else self._facts.attempt

    def body(self, *, now: datetime, with_logs: bool = True) -> dict[str, Any]:
        """The whole object. Nothing is ever missing: what is not there is null or empty."""
        facts = self._facts
        lines = list(self._lines)[-LOG_LINES:] if with_logs else []
        screenshots = [self.file(at, data) for at, data in self._files if _is_shot(data)]
        downloads = [self.file(at, data) for at, data in self._files if _is_download(data)]
        return {
            "task_id": facts.task_id,
            "task_type": facts.task_type,
            "status": self.status,
            "state": self.state,
            "ready": self.is_ready,
            "result": self._result,
            "error": self._error_now(),
            "message": self._message(),
            "progress": self._progress,
            "attempts": self.attempts,
            "max_retries": facts.max_retries,
            "logs": lines,
            "logs_truncated": with_logs and len(self._lines) > LOG_LINES,
            "screenshots": screenshots,
            "downloads": downloads,
            "expired": facts.is_erased or any(f["expired"] for f in (*screenshots, *downloads)),
            "details": self._details(),
            "seq": self.seq,
            "created_at": moment_of(facts.created_at),
            "started_at": moment_of(self._started_at),
            "completed_at": moment_of(self._finished_at),
            "duration_ms": self._duration_ms(),
            "timestamp": moment_of(now),
        }

    def file(self, at: datetime, data: Mapping[str, Any]) -> dict[str, Any]:
        """A screenshot or a download, told from the payload of its `artifact` event."""
        told = file_told(at, data, self._url_of)
        return {**told, "expired": told["name"] in self._facts.gone}

    def _details(self) -> dict[str, Any]:
        told = {"steps": self._steps, "confirmation": self.confirmation}
        return {**self._facts.details, **{name: value for name, value in told.items() if value}}

    def _line(self, event: Event) -> dict[str, Any]:
        return {
            "timestamp": moment_of(event.at),
            "level": event.data["level"].upper(),
            "message": event.data["text"],
            "attempt": self.attempts,
            "seq": event.seq,
        }

    def _error_now(self) -> dict[str, Any] | None:
        if self._error is not None or not self.is_ready:
            return self._error
        if self.stored_status == run_state.CANCELLED:
            return self._error_of("cancelled", self._message())
        facts = self._facts
        if facts.error_code:
            return self._error_of(facts.error_code, facts.error_message)
        return None

    def _error_of(self, code: str, message: str, *, is_retryable: bool = False) -> dict[str, Any]:
        return {
            "code": code,
            "message": message,
            "type": "".join(part.capitalize() for part in code.split("_")),
            "retryable": is_retryable,
            "attempt": self.attempts,
        }

    def _message(self) -> str:
        status = self.stored_status
        if status in (run_state.FAILED, run_state.TIMED_OUT):
            return str((self._error or {}).get("message") or self._facts.error_message)
        if status == run_state.PAUSED and self._steps:
            return f"Task '{self._facts.task_type}' waits for its step '{self._steps[-1]['name']}'"
        return _MESSAGES[status].format(type=self._facts.task_type)

    def _duration_ms(self) -> int | None:
        """From the beginning of the first attempt to the end: waiting does not count."""
        if self._started_at is None or self._finished_at is None:
            return None
        return max(0, round((self._finished_at - self._started_at).total_seconds() * 1000))


def progress_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """`{percent, text}` of the payload of a `progress` event; percent is whole, 0 to 100."""
    # A hair more, so that 0.29 * 100 is 29.
    percent = int(data["fraction"] * 100 + 1e-6)
    return {"percent": min(100, max(0, percent)), "text": data.get("text") or ""}


def file_told(at: datetime, data: Mapping[str, Any], url_of: UrlOf) -> dict[str, Any]:
    """A screenshot or a download without its fate. at, data: of its `artifact` event."""
    name = data["name"]
    if _is_shot(data):
        return {
            "name": name,
            "url": url_of("screenshots", name),
            "kind": data.get("label") or "step",
            "timestamp": timestamp_of(at),
            "width": data.get("width"),
            "height": data.get("height"),
        }
    return {
        "name": name,
        "url": url_of("results", name),
        "size": data["size_bytes"],
        "mime": data["media_type"],
        "sha256": data.get("sha256"),
    }


def _confirmation(data: Mapping[str, Any]) -> dict[str, Any]:
    """Of the payload of an `approval.requested` event: a task's own question, or a call that a
    model wants to make."""
    return {
        "prompt": data.get("prompt") or f"May {data.get('tool') or 'this'} be called?",
        "args": redact_members(data.get("args") or {}),
        "expires_at": data["expires_at"],
    }


def moment_of(at: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds and Z."""
    return None if at is None else timestamp_of(at)


def _is_shot(data: Mapping[str, Any]) -> bool:
    return bool(data.get("role") == "screenshot")


def _is_download(data: Mapping[str, Any]) -> bool:
    return bool(data.get("role", "download") == "download")
