"""The vocabulary of the browser overlay: typed frames over SSE, version of January 2026.

Each frame carries the names of two client generations at once (`type` and `event`, `delta` and
`text`, `name` and `tool_name`). Kinds without a frame: run.started, run.retrying, run.paused,
run.resumed, model.responded, command.received, progress, log, artifact. `metadata` is written once
more, complete, before the last frame. `approval_requested` and `approval_resolved` are ours; older
clients pass over names that they do not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from orchestration.dialects.base import Frame, PrimedDialect, usage_of
from orchestration.dialects.call_book import CallBook
from orchestration.dialects.compact_json import json_cut, json_cut_text
from orchestration.page.sensitive import redact_members
from taskmapr.core.errors import TaskMaprError
from taskmapr.core.events import Event
from taskmapr.core.timestamps import timestamp_of

#: Bytes of a tool result in its own frame, characters of one in the final metadata.
RESULT_BYTES: Final = 8_192
RESULT_CHARACTERS: Final = 2_000

_EMPTY_PAGE: Final = {"pathname": "/", "search": "", "hash": "", "title": ""}


class OverlayDialect(PrimedDialect):
    """One reader's view of one run."""

    def __init__(self, run_id: UUID | str) -> None:
        self._run_id = str(run_id)
        self._seq: int | None = None
        self._at: datetime | None = None
        self._created_at: datetime | None = None
        self._page: Mapping[str, Any] = _EMPTY_PAGE
        self._head: dict[str, Any] = {
            "sessionId": None,
            "run_id": self._run_id,
            "model": "",
            "resumed": False,
            "persistence": "database",
        }
        self._dropped = 0
        self._warnings: list[str] = []
        self._reasoning: list[str] | None = None
        self._calls = CallBook()
        self._tool_results: list[dict[str, Any]] = []
        self._totals: Mapping[str, Any] | None = None
        self._spent = (0, 0)
        self._error_sent = False
        self._finished = False

    def open(self) -> list[Frame]:
        return []

    def feed(self, event: Event) -> list[Frame]:
        move = _MOVES.get(event.kind)
        if move is None:
            return []
        self._seq, self._at = event.seq, event.at
        frames = move(self, event)
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
        if self._finished:
            return []
        # These frames stand for no event, so they have no number and nobody resumes after them.
        self._seq = None
        frames = self._close_open()
        if problem is None:
            return frames
        if not self._error_sent:
            frames.append(self._error_frame(problem.code, problem.detail, problem.retryable))
        status = "timed_out" if problem.code == "timed_out" else "failed"
        return frames + self._ending(status, self._elapsed_ms(), *self._spent)

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

    # What the model says

    def _text(self, event: Event) -> list[Frame]:
        text = event.data["text"]
        if not text:
            return []
        frame = self._frame("text_delta", {"delta": text, "text": text})
        return [frame] if self._reasoning is None else [*self._close_reasoning(), frame]

    def _reasoning_started(self, event: Event) -> list[Frame]:
        frames = self._close_reasoning()
        self._reasoning = []
        return [*frames, self._frame("reasoning_start", {"content": ""})]

    def _reasoning_delta(self, event: Event) -> list[Frame]:
        text = event.data["text"]
        if self._reasoning is None or not text:
            return []
        self._reasoning.append(text)
        return [self._frame("reasoning_delta", {"delta": text, "text": text, "content": text})]

    def _reasoning_completed(self, event: Event) -> list[Frame]:
        return self._close_reasoning()

    def _close_reasoning(self) -> list[Frame]:
        if self._reasoning is None:
            return []
        text = "".join(self._reasoning)
        self._reasoning = None
        return [self._frame("reasoning_done", {"content": text, "text": text})]

    def _responded(self, event: Event) -> list[Frame]:
        data = event.data
        read, written = self._spent
        self._spent = (read + data.get("input_tokens", 0), written + data.get("output_tokens", 0))
        return []

    # What tools do

    def _tool_started(self, event: Event) -> list[Frame]:
        self._calls.start(event.data, event.at)
        data = {
            "name": event.data["tool"],
            "tool_name": event.data["tool"],
            "args": redact_members(event.data.get("args") or {}),
            "call_id": event.data["call_id"],
        }
        return [self._frame("tool_call_started", data)]

    def _tool_completed(self, event: Event) -> list[Frame]:
        return self._completion(event.data)

    def _completion(self, payload: Mapping[str, Any]) -> list[Frame]:
        if not self._calls.complete(payload):
            return []
        tool, result, error = payload["tool"], payload.get("result"), payload.get("error")
        told = {"error": error} if error and result is None else result
        self._tool_results.append(
            {"tool": tool, "result": json_cut_text(told, limit=RESULT_CHARACTERS)}
        )
        data: dict[str, Any] = {
            "name": tool,
            "tool_name": tool,
            "call_id": payload["call_id"],
            "ok": payload["ok"],
            "result": json_cut(result, limit_bytes=RESULT_BYTES),
            "duration_ms": payload["duration_ms"],
        }
        if error is not None:
            data["error"] = error
        return [self._frame("tool_call_completed", data)]

    def _actions(self, event: Event) -> list[Frame]:
        actions = event.data["actions"]
        if not actions:
            return []
        data = {
            "actions": actions,
            "navigate": next(
                (a["payload"].get("path") for a in actions if a["type"] == "navigate"), None
            ),
            "highlight": next(
                (
                    selector
                    for action in actions
                    if action["type"] == "highlight"
                    for selector in action["payload"].get("selectors") or ()
                ),
                None,
            ),
        }
        return [self._frame("actions", data)]

    # What the run asks people

    def _approval_requested(self, event: Event) -> list[Frame]:
        given = event.data
        frames = self._close_reasoning()
        args = redact_members(given.get("args") or {})
        asked = {
            "approval_id": given["approval_id"],
            "asks": given["asks"],
            "tool_name": given.get("tool"),
            "call_id": given.get("call_id"),
            "prompt": given.get("prompt"),
            "args": args,
            "expires_at": given["expires_at"],
        }
        return [*frames, self._frame("approval_requested", asked)]

    def _approval_resolved(self, event: Event) -> list[Frame]:
        told = {name: event.data[name] for name in ("approval_id", "decision", "by")}
        return [self._frame("approval_resolved", told)]

    def _close_open(self) -> list[Frame]:
        frames = self._close_reasoning()
        for payload in self._calls.interrupted(self._at):
            frames += self._completion(payload)
        return frames

    # The life of the run

    def _created(self, event: Event) -> list[Frame]:
        data = event.data
        self._created_at = event.at
        self._page = {**_EMPTY_PAGE, **(data.get("page") or {})}
        self._dropped = data.get("dropped", 0)
        self._warnings = list(data.get("warnings") or ())
        self._head |= {
            "sessionId": data.get("session_id"),
            "model": data["model"],
            "resumed": data.get("session_resumed", False),
            "persistence": data.get("persistence", "database"),
        }
        return [self._frame("metadata", {**self._head, **self._remarks()})]

    def _error(self, event: Event) -> list[Frame]:
        data = event.data
        frames = self._close_open()
        frames.append(
            self._error_frame(data["code"], data["message"], data.get("retryable", False))
        )
        return frames

    def _error_frame(self, code: str, message: str, retryable: bool) -> Frame:
        self._error_sent = True
        return self._frame("error", {"message": message, "code": code, "retryable": retryable})

    def _collected(self, event: Event) -> list[Frame]:
        data = event.data
        self._totals = data
        self._head["model"] = data["model"]
        self._warnings += [w for w in data.get("warnings") or () if w not in self._warnings]
        frames = self._close_open()
        usage = usage_of(data.get("input_tokens", 0), data.get("output_tokens", 0))
        return [*frames, self._final_metadata(data["processing_ms"], usage)]

    def _run_finished(self, event: Event) -> list[Frame]:
        data = event.data
        read, written = data.get("input_tokens", 0), data.get("output_tokens", 0)
        return self._close_open() + self._ending(data["status"], data["duration_ms"], read, written)

    def _ending(self, status: str, duration_ms: int, read: int, written: int) -> list[Frame]:
        self._finished = True
        usage = usage_of(read, written)
        frames = [] if self._totals else [self._final_metadata(duration_ms, usage)]
        data = {
            "sessionId": self._head["sessionId"],
            "run_id": self._run_id,
            "status": status,
            "duration_ms": duration_ms,
            "usage": usage,
        }
        return [*frames, self._frame("complete", data)]

    def _final_metadata(self, processing_ms: int, usage: dict[str, int]) -> Frame:
        data = {
            **self._head,
            "tools_used": [
                {"tool_name": tool, "status": status} for tool, status in self._calls.statuses()
            ],
            "toolCalls": list(self._tool_results),
            "page_context": self._page,
            "tokensUsed": usage["total_tokens"],
            "processingTime": processing_ms,
            "usage": usage,
            **self._remarks(),
        }
        return self._frame("metadata", data)

    def _remarks(self) -> dict[str, Any]:
        remarks: dict[str, Any] = {}
        if self._dropped:
            remarks["dropped"] = self._dropped
        if self._warnings:
            remarks["warnings"] = list(self._warnings)
        return remarks

    def _elapsed_ms(self) -> int:
        if self._at is None or self._created_at is None:
            return 0
        return int((self._at - self._created_at).total_seconds() * 1000)


#: Not in the object: a table of its own methods would be a circle, one for each reader.
_MOVES: Final[Mapping[str, Callable[[OverlayDialect, Event], list[Frame]]]] = {
    "text.delta": OverlayDialect._text,
    "reasoning.delta": OverlayDialect._reasoning_delta,
    "reasoning.started": OverlayDialect._reasoning_started,
    "reasoning.completed": OverlayDialect._reasoning_completed,
    "run.created": OverlayDialect._created,
    "model.responded": OverlayDialect._responded,
    "tool.started": OverlayDialect._tool_started,
    "tool.completed": OverlayDialect._tool_completed,
    "ui.actions": OverlayDialect._actions,
    "approval.requested": OverlayDialect._approval_requested,
    "approval.resolved": OverlayDialect._approval_resolved,
    "error": OverlayDialect._error,
    "metadata": OverlayDialect._collected,
    "run.finished": OverlayDialect._run_finished,
}
