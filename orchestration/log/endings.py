"""How a run ends: the last events, in order, and the last columns of its row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from orchestration.log.store import Ending
from orchestration.log.transcript import Transcript
from orchestration.page.text import storable
from taskmapr.core.errors import TaskMaprError, TimedOut, error_class, error_meaning
from taskmapr.core.events import (
    ErrorRaised,
    FinalStatus,
    MetadataCollected,
    ReasoningCompleted,
    RunFinished,
    ToolCompleted,
)
from taskmapr.core.ports import Sealer
from taskmapr.core.run_state import RunState

#: Longest message of an error in characters.
ERROR_LENGTH: Final = 2000
CALL_CUT = "The run ended before this call did."


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Why and how a run ends. Without an error it succeeded, or was cancelled if there is a
    reason."""

    error: TaskMaprError | None = None
    cancel_reason: str = ""

    @property
    def status(self) -> FinalStatus:
        if self.error is not None:
            return "timed_out" if isinstance(self.error, TimedOut) else "failed"
        return "cancelled" if self.cancel_reason else "succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What the run took."""

    model: str
    started_at: datetime
    cost_usd_micros: int | None = None
    first_output_ms: int | None = None
    warnings: tuple[str, ...] = ()


def last_events(state: RunState, verdict: Verdict, totals: Totals) -> list[object]:
    """Close what is open, say what went wrong, sum up, finish: legal after any open state."""
    events: list[object] = []
    if state.reasoning_open:
        events.append(ReasoningCompleted())
    events += [
        ToolCompleted(call_id=call, tool=tool, ok=False, duration_ms=0, error=CALL_CUT)
        for call, tool in state.open_calls.items()
    ]
    error = verdict.error
    if error is not None and state.error_code is None:
        events.append(error_event(error))
    duration_ms = max(0, round((datetime.now(UTC) - totals.started_at).total_seconds() * 1000))
    if not state.totals_written:
        events.append(
            MetadataCollected(
                model=totals.model,
                processing_ms=duration_ms,
                input_tokens=state.input_tokens,
                output_tokens=state.output_tokens,
                cost_usd_micros=totals.cost_usd_micros,
                first_output_ms=totals.first_output_ms,
                warnings=list(totals.warnings) or None,
            )
        )
    events.append(
        RunFinished(
            status=verdict.status,
            duration_ms=duration_ms,
            input_tokens=state.input_tokens,
            output_tokens=state.output_tokens,
            cost_usd_micros=totals.cost_usd_micros,
            reason=verdict.cancel_reason or None,
        )
    )
    return events


def error_message(error: TaskMaprError | None, *, is_sealed: bool) -> str:
    """The column: of a sealed run only what the code means, for the words may quote its content."""
    if error is None:
        return ""
    return error_meaning(error.code) if is_sealed else storable(error.detail, ERROR_LENGTH)


def error_event(error: TaskMaprError) -> ErrorRaised:
    """What the log says of an error; all that a problem's body needs of it."""
    return ErrorRaised(
        code=error.code,
        message=error.detail,
        retryable=error.retryable,
        status=None if error_class(error.code) is not None else error.status,
        details=dict(error.details) or None,
    )


def ending_of(
    finished: RunFinished,
    *,
    verdict: Verdict,
    totals: Totals,
    transcript: Transcript,
    session_id: str | None,
    sealer: Sealer | None,
    instructions: str = "",
) -> Ending:
    """The columns that go with `last_events`.

    `instructions` are what the model was told; for a sealed run they are not kept.
    """
    answer = None
    if session_id is not None:
        answer = transcript.answer(session_id, is_partial=verdict.status != "succeeded")
        if sealer is not None:
            answer = answer.sealed(sealer)
    error = verdict.error
    return Ending(
        status=finished.status,
        finished_at=datetime.now(UTC),
        duration_ms=finished.duration_ms,
        model=totals.model,
        input_tokens=finished.input_tokens,
        output_tokens=finished.output_tokens,
        cost_usd_micros=totals.cost_usd_micros,
        first_output_ms=totals.first_output_ms,
        error_code=error.code if error else "",
        error_message=error_message(error, is_sealed=sealer is not None),
        reason=verdict.cancel_reason,
        instructions="" if sealer is not None else instructions,
        answer=answer,
    )
