"""The state of a run is a fold over its log. This file says which move is legal when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from taskmapr.core.errors import IllegalMove
from taskmapr.core.events import Event

QUEUED: Final = "queued"
RUNNING: Final = "running"
RETRYING: Final = "retrying"
PAUSED: Final = "paused"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
TIMED_OUT: Final = "timed_out"

STATUSES: Final = (QUEUED, RUNNING, RETRYING, PAUSED, SUCCEEDED, FAILED, CANCELLED, TIMED_OUT)
FINAL_STATUSES: Final = frozenset({SUCCEEDED, FAILED, CANCELLED, TIMED_OUT})
OPEN_STATUSES: Final = frozenset(STATUSES) - FINAL_STATUSES

#: Before its first event a run has no status.
UNBORN: Final = ""


@dataclass(frozen=True, slots=True)
class RunState:
    """What the log says so far."""

    status: str = UNBORN
    seq: int = 0
    attempt: int = 0
    steps: int = 0
    has_output: bool = False
    reasoning_open: bool = False
    error_code: str | None = None
    totals_written: bool = False
    has_result: bool = False
    #: The outside world may have been changed by a task's function.
    has_effect: bool = False
    #: Tool by call id. Never changed in place.
    open_calls: Mapping[str, str] = field(default_factory=dict)
    open_approvals: frozenset[str] = field(default=frozenset())
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_STATUSES


Move = Callable[[RunState, Event], RunState]


def fold(events: Iterable[Event], state: RunState | None = None) -> RunState:
    """The state after these events. Raises IllegalMove at the first event that may not follow."""
    current = state or RunState()
    for event in events:
        current = advance(current, event)
    return current


def advance(state: RunState, event: Event) -> RunState:
    """The state after one more event.

    Raises IllegalMove when `seq` leaves a gap or repeats, when the kind is unknown, or when the
    status, an open block or an open call forbids the event.
    """
    if event.seq != state.seq + 1:
        raise IllegalMove(f"event {event.seq} cannot follow event {state.seq}")
    rule = _RULES.get(event.kind)
    if rule is None:
        raise IllegalMove(f"unknown event kind {event.kind}")
    allowed, move = rule
    if state.status not in allowed:
        raise IllegalMove(f"{event.kind} is not allowed while {state.status or 'not created'}")
    return replace(move(state, event), seq=event.seq)


def _require(condition: bool, why: str) -> None:
    if not condition:
        raise IllegalMove(why)


def _created(state: RunState, event: Event) -> RunState:
    return replace(state, status=QUEUED)


def _started(state: RunState, event: Event) -> RunState:
    _require(event.data["attempt"] > state.attempt, "an attempt starts once")
    return replace(state, status=RUNNING, attempt=event.data["attempt"])


def _retrying(state: RunState, event: Event) -> RunState:
    # The call that was open when its worker was lost stays open: the next attempt completes it.
    _require(not state.reasoning_open, "the reasoning block is still open")
    return replace(state, status=RETRYING)


def _paused(state: RunState, event: Event) -> RunState:
    _require(not state.reasoning_open, "the reasoning block is still open")
    _require(bool(state.open_approvals), "nothing to wait for")
    _require(
        set(event.data["approval_ids"]) == state.open_approvals, "the open approvals are others"
    )
    return replace(state, status=PAUSED)


def _resumed(state: RunState, event: Event) -> RunState:
    _require(not state.open_approvals, "an approval is still open")
    return replace(state, status=QUEUED)


def _text(state: RunState, event: Event) -> RunState:
    _require(not state.reasoning_open, "the reasoning block is still open")
    return replace(state, has_output=True)


def _reasoning_started(state: RunState, event: Event) -> RunState:
    _require(not state.reasoning_open, "a reasoning block is open already")
    return replace(state, reasoning_open=True)


def _reasoning_delta(state: RunState, event: Event) -> RunState:
    _require(state.reasoning_open, "no reasoning block is open")
    return state


def _reasoning_completed(state: RunState, event: Event) -> RunState:
    _require(state.reasoning_open, "no reasoning block is open")
    return replace(state, reasoning_open=False)


def _responded(state: RunState, event: Event) -> RunState:
    _require(not state.reasoning_open, "the reasoning block is still open")
    _require(event.data["step"] == state.steps + 1, "steps are counted without gaps")
    return replace(
        state,
        steps=event.data["step"],
        input_tokens=state.input_tokens + event.data.get("input_tokens", 0),
        output_tokens=state.output_tokens + event.data.get("output_tokens", 0),
    )


def _tool_started(state: RunState, event: Event) -> RunState:
    _require(not state.reasoning_open, "the reasoning block is still open")
    call_id = event.data["call_id"]
    _require(call_id not in state.open_calls, f"call {call_id} is open already")
    return replace(state, open_calls={**state.open_calls, call_id: event.data["tool"]})


def _tool_crashed(state: RunState, event: Event) -> RunState:
    call_id = event.data["call_id"]
    _require(call_id in state.open_calls, f"call {call_id} is not open")
    return state


def _tool_completed(state: RunState, event: Event) -> RunState:
    call_id = event.data["call_id"]
    _require(call_id in state.open_calls, f"call {call_id} is not open")
    rest = {call: tool for call, tool in state.open_calls.items() if call != call_id}
    return replace(state, open_calls=rest)


def _approval_requested(state: RunState, event: Event) -> RunState:
    return replace(state, open_approvals=state.open_approvals | {event.data["approval_id"]})


def _approval_resolved(state: RunState, event: Event) -> RunState:
    approval_id = event.data["approval_id"]
    _require(approval_id in state.open_approvals, f"approval {approval_id} is not open")
    return replace(state, open_approvals=state.open_approvals - {approval_id})


def _error(state: RunState, event: Event) -> RunState:
    _require(state.error_code is None, "a run has one error")
    _require(not state.reasoning_open, "the reasoning block is still open")
    _require(not state.open_calls, "a tool call is still open")
    return replace(state, error_code=event.data["code"])


def _totals(state: RunState, event: Event) -> RunState:
    _require(not state.totals_written, "totals are written once")
    return replace(state, totals_written=True)


def _finished(state: RunState, event: Event) -> RunState:
    status = event.data["status"]
    _require(status in FINAL_STATUSES, f"{status} is not a final status")
    _require(not state.reasoning_open, "the reasoning block is still open")
    _require(not state.open_calls, "a tool call is still open")
    has_error = state.error_code is not None
    _require(has_error == (status in {FAILED, TIMED_OUT}), "an error and a bad end go together")
    return replace(state, status=status)


def _result(state: RunState, event: Event) -> RunState:
    return replace(state, has_result=True)


def _effect_begun(state: RunState, event: Event) -> RunState:
    return replace(state, has_effect=True)


def _unchanged(state: RunState, event: Event) -> RunState:
    return state


_WORKING: Final = frozenset({RUNNING})
_OPEN: Final = OPEN_STATUSES

_RULES: Final[dict[str, tuple[frozenset[str], Move]]] = {
    "run.created": (frozenset({UNBORN}), _created),
    "run.started": (frozenset({QUEUED, RETRYING}), _started),
    "run.retrying": (frozenset({RUNNING}), _retrying),
    "run.paused": (frozenset({RUNNING}), _paused),
    "run.resumed": (frozenset({PAUSED}), _resumed),
    "run.finished": (_OPEN, _finished),
    "error": (_OPEN, _error),
    "metadata": (_OPEN, _totals),
    "text.delta": (_WORKING, _text),
    "reasoning.started": (_WORKING, _reasoning_started),
    "reasoning.delta": (_WORKING, _reasoning_delta),
    # Also when the writer was lost and somebody else tidies up after it.
    "reasoning.completed": (_OPEN, _reasoning_completed),
    "tool.completed": (_OPEN, _tool_completed),
    "model.responded": (_WORKING, _responded),
    "tool.started": (_WORKING, _tool_started),
    "tool.crashed": (_WORKING, _tool_crashed),
    "ui.actions": (_WORKING, _unchanged),
    "approval.requested": (_WORKING, _approval_requested),
    "approval.resolved": (frozenset({RUNNING, PAUSED}), _approval_resolved),
    "command.received": (_WORKING, _unchanged),
    "progress": (_WORKING, _unchanged),
    "log": (_OPEN, _unchanged),
    "artifact": (_WORKING, _unchanged),
    "result": (_WORKING, _result),
    "effect.begun": (_WORKING, _effect_begun),
}
