"""The vocabulary of a task's socket: `/ws/task/{task_id}`, version 1.

Every message is `{type, task_id, seq, status, timestamp, data}`. The first event gives the
`snapshot`; a reader who has seen events already is primed with them and asks for its own
(`snapshot()`). The end gives `status` and `result`, both with the number of the last event.

A question to a person, and its answer, are a `status`: with `confirmation` as long as it is open.

Kinds without a message: run.paused, run.resumed (the status that is shown stays),
model.responded, reasoning.*, ui.actions, command.received, metadata, result (its value comes with
the last message).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from orchestration.dialects.base import Frame
from orchestration.dialects.call_book import CallBook
from orchestration.dialects.compact_json import json_cut
from orchestration.dialects.task_result import TaskFacts, TaskResult, moment_of, progress_of
from orchestration.page.sensitive import redact_members
from taskmapr.core.errors import TaskMaprError
from taskmapr.core.events import Event
from taskmapr.core.run_state import QUEUED

#: Bytes of a tool result.
RESULT_BYTES: Final = 8_192
_BEGINNING: Final = datetime.fromtimestamp(0, UTC)


class TaskSocketDialect:
    """One follower's view of one task. `result`: its fold, fed with nothing yet; when it is left
    out, the first event says what is needed, and files are told by their names alone."""

    def __init__(self, task_id: UUID | str, result: TaskResult | None = None) -> None:
        self._task_id = str(task_id)
        self._result = result or TaskResult(_facts(self._task_id), _unsigned)
        self._is_derived = result is None
        self._at = _BEGINNING
        self._calls = CallBook()
        self._has_ended = False
        #: As last told.
        self._attempts = 0

    @property
    def seq(self) -> int:
        """Of the last event that was taken; 0 before the first."""
        return self._result.seq

    def open(self) -> list[Frame]:
        return []

    def prime(self, events: Iterable[Event]) -> None:
        for event in events:
            self.feed(event)

    def feed(self, event: Event) -> list[Frame]:
        if self._is_derived and event.kind == "run.created":
            facts = _facts(self._task_id, event.data.get("subject") or "", event.at)
            self._result = TaskResult(facts, _unsigned)
        self._at = event.at
        self._result.feed(event)
        frames = self._frames(event)
        if frames:
            frames[-1].id = f"{self._task_id}:{event.seq}"
        return frames

    def snapshot(self) -> Frame:
        """What is known so far, without the lines of the log."""
        return self._frame("snapshot", self._result.body(now=self._at, with_logs=False))

    def result(self) -> Frame:
        """What the task came to. For those who were primed with all of it."""
        return self._frame("result", self._result.body(now=self._at))

    def heartbeat(self, at: datetime) -> Frame:
        return self.sign("ping", at)

    def sign(self, name: str, at: datetime, data: Mapping[str, Any] | None = None) -> Frame:
        """A message that stands for no event: `ping`, `pong`, `error`."""
        frame = self._frame(name, dict(data or {}))
        frame.data["timestamp"] = moment_of(at)
        return frame

    def close(self, problem: TaskMaprError | None = None) -> list[Frame]:
        """Calls that are open are completed; a problem is told. The task itself goes on, so there
        is no `result`."""
        if self._has_ended:
            return []
        self._has_ended = True
        frames = [self._completed(call) for call in self._calls.interrupted(self._at)]
        if problem is not None:
            told = _error(problem.code, problem.detail, is_retryable=problem.retryable)
            frames.append(self._frame("error", told))
        return frames

    # One event -----------------------------------------------------------------------------------

    def _frames(self, event: Event) -> list[Frame]:
        if (move := _MOVES.get(event.kind)) is not None:
            return move(self, event)
        return [self._frame(*told)] if (told := _told(event)) is not None else []

    def _created(self, event: Event) -> list[Frame]:
        return [self.snapshot()]

    def _started(self, event: Event) -> list[Frame]:
        """Going on behind a step is nothing new: the status and the attempt that are shown stay."""
        before, self._attempts = self._attempts, self._result.attempts
        return [] if self._attempts == before else [self._status()]

    def _asked(self, event: Event) -> list[Frame]:
        # That it waits for a step is told by its lines and its progress.
        return [] if event.data.get("step") or event.data.get("by") == "step" else [self._status()]

    def _finished(self, event: Event) -> list[Frame]:
        calls = [self._completed(call) for call in self._calls.interrupted(event.at)]
        self._has_ended = True
        return [*calls, self._status(), self.result()]

    def _status(self) -> Frame:
        said: dict[str, Any] = {"state": self._result.state, "attempt": self._result.attempts}
        if (asked := self._result.confirmation) is not None:
            said["confirmation"] = asked
        return self._frame("status", said)

    def _file(self, event: Event) -> list[Frame]:
        """A private file is none of the follower's business."""
        names = {"screenshot": "screenshot", "download": "artifact"}
        name = names.get(event.data.get("role", "download"))
        return [self._frame(name, self._result.file(event.at, event.data))] if name else []

    def _tool_started(self, event: Event) -> list[Frame]:
        data = event.data
        self._calls.start(data, event.at)
        told = {
            "name": data["tool"],
            "tool_name": data["tool"],
            "args": redact_members(data.get("args") or {}),
            "call_id": data["call_id"],
        }
        return [self._frame("tool_call_started", told)]

    def _tool_completed(self, event: Event) -> list[Frame]:
        return [self._completed(event.data)] if self._calls.complete(event.data) else []

    def _completed(self, data: Mapping[str, Any]) -> Frame:
        told = {
            "name": data["tool"],
            "tool_name": data["tool"],
            "call_id": data["call_id"],
            "ok": data["ok"],
            "result": json_cut(data.get("result"), limit_bytes=RESULT_BYTES),
            "duration_ms": data["duration_ms"],
        }
        if data.get("error") is not None:
            told["error"] = data["error"]
        return self._frame("tool_call_completed", told)

    def _frame(self, name: str, data: dict[str, Any]) -> Frame:
        return Frame(
            {
                "type": name,
                "task_id": self._task_id,
                "seq": self._result.seq,
                "status": self._result.status,
                "timestamp": moment_of(self._at),
                "data": data,
            }
        )


#: Not in the object: a table of its own methods would be a circle, one for each reader.
_MOVES: Final[Mapping[str, Callable[[TaskSocketDialect, Event], list[Frame]]]] = {
    "run.created": TaskSocketDialect._created,
    "run.started": TaskSocketDialect._started,
    "approval.requested": TaskSocketDialect._asked,
    "approval.resolved": TaskSocketDialect._asked,
    "run.finished": TaskSocketDialect._finished,
    "artifact": TaskSocketDialect._file,
    "tool.started": TaskSocketDialect._tool_started,
    "tool.completed": TaskSocketDialect._tool_completed,
}


def _facts(task_id: str, task_type: str = "", created_at: datetime = _BEGINNING) -> TaskFacts:
    return TaskFacts(
        task_id=task_id,
        task_type=task_type,
        status=QUEUED,
        attempt=0,
        max_retries=0,
        created_at=created_at,
    )


def _unsigned(folder: str, name: str) -> str:
    return f"{folder}/{name}"


def _told(event: Event) -> tuple[str, dict[str, Any]] | None:
    """Name and data of the message of an event that needs no memory; None for one without."""
    data = event.data
    match event.kind:
        case "progress":
            return "progress", progress_of(data)
        case "log":
            return "log", {"level": data["level"].upper(), "message": data["text"]}
        case "text.delta" if data["text"]:
            return "text_delta", {"delta": data["text"], "text": data["text"]}
        case "run.retrying":
            return "retry", _retry(data)
        case "error":
            is_retryable = data.get("retryable", False)
            return "error", _error(data["code"], data["message"], is_retryable=is_retryable)
    return None


def _retry(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "attempt": data["attempt"],
        "delay_s": data.get("delay_s"),
        "error": data.get("error") or data["reason"],
    }


def _error(code: str, message: str, *, is_retryable: bool) -> dict[str, Any]:
    return {"code": code, "message": message, "retryable": is_retryable}
