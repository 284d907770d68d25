"""The vocabulary of followed jobs: typed frames over SSE, version of January 2026.

The frames are those of the overlay, as far as a job has them: `metadata` first, `progress`, `log`,
what a model says and which tools it calls, `error`, and `complete` with the result last. Kinds
without a frame: run.started, run.retrying, run.paused, run.resumed, model.responded, metadata,
ui.actions, command.received, result (it comes with `complete`), reasoning.started and
reasoning.completed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from orchestration.dialects.base import Frame, PrimedDialect
from orchestration.dialects.compact_json import json_cut
from orchestration.intents.names import job_id_of
from orchestration.intents.words import SHOWN
from orchestration.page.sensitive import redact_members
from taskmapr.core import run_state
from taskmapr.core.errors import TaskMaprError
from taskmapr.core.events import Event
from taskmapr.core.timestamps import timestamp_of

#: Bytes of a tool's result in a frame of its own.
RESULT_BYTES: Final = 8_192

Told = tuple[str, dict[str, Any]]


class JobDialect(PrimedDialect):
    """One reader's view of one job."""

    def __init__(self, run_id: UUID | str) -> None:
        self._run_id = str(run_id)
        self._job_id = job_id_of(UUID(self._run_id))
        self._seq: int | None = None
        self._at: datetime | None = None
        self._begun: datetime | None = None
        self._result: Any = None
        self._finished = False

    def open(self) -> list[Frame]:
        return []

    def feed(self, event: Event) -> list[Frame]:
        move = _MOVES.get(event.kind)
        if move is None:
            return []
        self._seq, self._at = event.seq, event.at
        self._begun = self._begun or event.at
        frames = [self._frame(name, data) for name, data in move(self, event.data)]
        if frames:
            frames[-1].id = f"{self._run_id}:{event.seq}"
        return frames

    def heartbeat(self, at: datetime) -> Frame:
        stamp = timestamp_of(at)
        return Frame(
            {
                "type": "heartbeat",
                "event": "heartbeat",
                "run_id": self._run_id,
                "seq": None,
                "timestamp": stamp,
                "data": {"time": stamp},
            }
        )

    def close(self, problem: TaskMaprError | None = None) -> list[Frame]:
        if self._finished or problem is None:
            return []
        # These frames stand for no event, so they have no number and nobody resumes after them.
        self._seq = None
        status = run_state.TIMED_OUT if problem.code == "timed_out" else run_state.FAILED
        error = {
            "code": problem.code,
            "message": problem.detail,
            "retryable": problem.retryable,
        }
        told = [*self._error(error), *self._ending(status, self._elapsed_ms())]
        return [self._frame(name, data) for name, data in told]

    def _frame(self, name: str, data: dict[str, Any]) -> Frame:
        return Frame(
            {
                "type": name,
                "event": name,
                "run_id": self._run_id,
                "seq": self._seq,
                "timestamp": timestamp_of(self._at or datetime.fromtimestamp(0, UTC)),
                "data": data,
            }
        )

    # What happens --------------------------------------------------------------------------------

    def _created(self, data: Mapping[str, Any]) -> list[Told]:
        told = {
            "job_id": self._job_id,
            "run_id": self._run_id,
            "intent": data.get("subject"),
            "mode": data.get("mode"),
            "mode_reason": data.get("mode_reason"),
            "resumed": False,
        }
        return [("metadata", told)]

    def _progress(self, data: Mapping[str, Any]) -> list[Told]:
        percent = round(data["fraction"] * 100, 1)
        whole = int(percent) if percent == int(percent) else percent
        return [("progress", {"percent": whole, "text": data.get("text")})]

    def _log(self, data: Mapping[str, Any]) -> list[Told]:
        return [("log", {"level": data["level"], "text": data["text"]})]

    def _tool_started(self, data: Mapping[str, Any]) -> list[Told]:
        told = {
            "name": data["tool"],
            "tool_name": data["tool"],
            "args": redact_members(data.get("args") or {}),
            "call_id": data["call_id"],
        }
        return [("tool_call_started", told)]

    def _tool_completed(self, data: Mapping[str, Any]) -> list[Told]:
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
        return [("tool_call_completed", told)]

    def _approval_requested(self, data: Mapping[str, Any]) -> list[Told]:
        told = {
            "approval_id": data["approval_id"],
            "asks": data["asks"],
            "tool_name": data.get("tool"),
            "call_id": data.get("call_id"),
            "prompt": data.get("prompt"),
            "args": redact_members(data.get("args") or {}),
            "expires_at": data["expires_at"],
        }
        return [("approval_requested", told)]

    def _approval_resolved(self, data: Mapping[str, Any]) -> list[Told]:
        told = {name: data[name] for name in ("approval_id", "decision", "by")}
        return [("approval_resolved", told)]

    def _artifact(self, data: Mapping[str, Any]) -> list[Told]:
        """Private files are for staff alone."""
        if data.get("role") == "private":
            return []
        told = {name: data[name] for name in ("artifact_id", "name", "media_type", "size_bytes")}
        return [("artifact", {**told, "role": data.get("role", "download")})]

    def _result_given(self, data: Mapping[str, Any]) -> list[Told]:
        self._result = data.get("value")
        return []

    def _error(self, data: Mapping[str, Any]) -> list[Told]:
        told = {"code": data["code"], "message": data["message"]}
        return [("error", {**told, "retryable": data.get("retryable", False)})]

    def _run_finished(self, data: Mapping[str, Any]) -> list[Told]:
        return self._ending(data["status"], data["duration_ms"])

    def _ending(self, status: str, duration_ms: int) -> list[Told]:
        self._finished = True
        told = {
            "job_id": self._job_id,
            "run_id": self._run_id,
            "status": SHOWN[status],
            "result": self._result if status == run_state.SUCCEEDED else None,
            "duration_ms": duration_ms,
        }
        return [("complete", told)]

    def _elapsed_ms(self) -> int:
        if self._at is None or self._begun is None:
            return 0
        return int((self._at - self._begun).total_seconds() * 1000)


#: Not in the object: a table of its own methods would be a circle, one for each reader.
_MOVES: Final[Mapping[str, Callable[[JobDialect, Mapping[str, Any]], list[Told]]]] = {
    "run.created": JobDialect._created,
    "text.delta": lambda _, data: _text("text_delta", data),
    "reasoning.delta": lambda _, data: _text("reasoning_delta", data),
    "tool.started": JobDialect._tool_started,
    "tool.completed": JobDialect._tool_completed,
    "approval.requested": JobDialect._approval_requested,
    "approval.resolved": JobDialect._approval_resolved,
    "progress": JobDialect._progress,
    "log": JobDialect._log,
    "artifact": JobDialect._artifact,
    "result": JobDialect._result_given,
    "error": JobDialect._error,
    "run.finished": JobDialect._run_finished,
}


def _text(name: str, data: Mapping[str, Any]) -> list[Told]:
    text = data["text"]
    return [(name, {"delta": text, "text": text})] if text else []
