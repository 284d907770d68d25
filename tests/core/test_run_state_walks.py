"""Random walks over the run's state: what the rules allow folds, what they forbid is refused.

`Model` states the rules a second time, in other words, so that the two can disagree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskmapr.core import events as ev
from taskmapr.core.errors import IllegalMove
from taskmapr.core.events import CATALOGUE, Event, data_of, kind_of
from taskmapr.core.run_state import FINAL_STATUSES, RunState, advance, fold
from tests.recorded.logs import BEGIN, created, finished, responded, totals

RUN = UUID(int=1)
ASKED = {"asks": "question", "expires_at": "2026-01-05T11:00:00Z"}


@dataclass
class Model:
    """What a person would remember of a run."""

    status: str = ""
    attempt: int = 0
    steps: int = 0
    thinking: bool = False
    error: bool = False
    totals: bool = False
    calls: set[str] = field(default_factory=set)
    approvals: set[str] = field(default_factory=set)

    def candidates(self) -> list[Any]:
        """One or more payloads of every kind, sensible and silly ones."""
        found = [
            created(),
            *(ev.RunStarted(attempt=n, worker="w") for n in (self.attempt, self.attempt + 1)),
            ev.RunRetrying(attempt=self.attempt + 1, reason="worker_lost"),
            *(ev.RunPaused(approval_ids=ids) for ids in (sorted(self.approvals), ["other"], [])),
            ev.RunResumed(by="ada"),
            *(finished(status, 1) for status in sorted(FINAL_STATUSES)),
            ev.ErrorRaised(code="timed_out", message="m"),
            totals(1),
            ev.TextDelta(text="t"),
            ev.ReasoningStarted(),
            ev.ReasoningDelta(text="r"),
            ev.ReasoningCompleted(),
            *(responded(n) for n in (self.steps, self.steps + 1, self.steps + 2)),
            ev.UiActions(actions=[{"type": "custom", "payload": {}}]),
            ev.CommandReceived(command="c", by="ada"),
            ev.ProgressMade(fraction=0.5),
            ev.LogWritten(level="info", text="l"),
            ev.ArtifactStored(artifact_id="a", media_type="text/plain", size_bytes=1, name="n"),
            ev.ResultGiven(value={"n": 1}),
            ev.EffectBegun(what="w"),
        ]
        for name in ("1", "2"):
            found += [
                ev.ToolStarted(call_id=name, tool="a.b"),
                ev.ToolCrashed(call_id=name, tool="a.b", exception="E", stack="s", message="m"),
                ev.ToolCompleted(call_id=name, tool="a.b", ok=True, duration_ms=1),
                ev.ApprovalResolved(approval_id=name, decision="answered", by="ada"),
            ]
            if name not in self.approvals:
                found.append(ev.ApprovalRequested(approval_id=name, **ASKED))
        return found

    def allows(self, payload: Any) -> bool:  # noqa: C901 - one case per kind
        if self.status in FINAL_STATUSES:
            return False
        if not self.status:
            return isinstance(payload, ev.RunCreated)
        quiet = not self.thinking
        match payload:
            case ev.RunCreated():
                return False
            case ev.RunStarted():
                waiting = self.status in ("queued", "retrying")
                return waiting and payload.attempt == self.attempt + 1
            case ev.RunResumed():
                return self.status == "paused" and not self.approvals
            case ev.RunFinished():
                failed = payload.status in ("failed", "timed_out")
                return quiet and not self.calls and failed == self.error
            case ev.ErrorRaised():
                return quiet and not self.calls and not self.error
            case ev.MetadataCollected():
                return not self.totals
            case ev.ReasoningCompleted():
                return self.thinking
            case ev.ToolCompleted():
                return payload.call_id in self.calls
            case ev.LogWritten():
                return True
            case ev.ApprovalResolved():
                open_ = payload.approval_id in self.approvals
                return open_ and self.status in ("running", "paused")
        return self.status == "running" and self._allows_while_running(payload, quiet)

    def _allows_while_running(self, payload: Any, quiet: bool) -> bool:
        match payload:
            case ev.RunPaused():
                asked = set(payload.approval_ids)
                return quiet and bool(asked) and asked == self.approvals
            case ev.RunRetrying() | ev.TextDelta() | ev.ReasoningStarted():
                return quiet
            case ev.ReasoningDelta():
                return self.thinking
            case ev.ModelResponded():
                return quiet and payload.step == self.steps + 1
            case ev.ToolStarted():
                return quiet and payload.call_id not in self.calls
            case ev.ToolCrashed():
                return payload.call_id in self.calls
        return True

    def apply(self, payload: Any) -> None:  # noqa: C901 - one case per kind
        match payload:
            case ev.RunCreated() | ev.RunResumed():
                self.status = "queued"
            case ev.RunStarted():
                self.status, self.attempt = "running", payload.attempt
            case ev.RunRetrying():
                self.status = "retrying"
            case ev.RunPaused():
                self.status = "paused"
            case ev.RunFinished():
                self.status = payload.status
            case ev.ErrorRaised():
                self.error = True
            case ev.MetadataCollected():
                self.totals = True
            case ev.ReasoningStarted():
                self.thinking = True
            case ev.ReasoningCompleted():
                self.thinking = False
            case ev.ModelResponded():
                self.steps = payload.step
            case ev.ToolStarted():
                self.calls.add(payload.call_id)
            case ev.ToolCompleted():
                self.calls.discard(payload.call_id)
            case ev.ApprovalRequested():
                self.approvals.add(payload.approval_id)
            case ev.ApprovalResolved():
                self.approvals.discard(payload.approval_id)


def event_of(payload: Any, seq: int) -> Event:
    return Event(RUN, seq, kind_of(payload).name, data_of(payload), BEGIN)


def seen(state: RunState) -> Model:
    return Model(
        status=state.status,
        attempt=state.attempt,
        steps=state.steps,
        thinking=state.reasoning_open,
        error=state.error_code is not None,
        totals=state.totals_written,
        calls=set(state.open_calls),
        approvals=set(state.open_approvals),
    )


def test_the_candidates_cover_the_catalogue():
    kinds = {kind_of(payload).name for payload in Model().candidates()}

    assert kinds == set(CATALOGUE)


@pytest.mark.req("OV-01", "OV-02")
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_legal_moves_fold_and_illegal_ones_are_refused(data):
    model, state, log = Model(), RunState(), []
    for _ in range(data.draw(st.integers(1, 40))):
        legal = []
        for payload in model.candidates():
            event = event_of(payload, state.seq + 1)
            if model.allows(payload):
                legal.append(payload)
                advance(state, event)
            else:
                with pytest.raises(IllegalMove):
                    advance(state, event)
        if not legal:
            break
        # Ends are rarer than they would be by chance, so that walks get long.
        going_on = [p for p in legal if not isinstance(p, ev.RunFinished | ev.ErrorRaised)]
        chosen = data.draw(st.sampled_from(going_on or legal) | st.sampled_from(legal))
        log.append(event_of(chosen, state.seq + 1))
        state = advance(state, log[-1])
        model.apply(chosen)
        assert seen(state) == model
    assert fold(log) == state
    assert state.is_final == (not [p for p in model.candidates() if model.allows(p)])


@pytest.mark.req("OV-02")
@pytest.mark.parametrize("seq", [0, 1, 3, -1])
def test_numbers_neither_repeat_nor_leave_gaps(seq):
    state = advance(RunState(), event_of(created(), 1))

    with pytest.raises(IllegalMove):
        advance(state, event_of(ev.LogWritten(level="info", text="l"), seq))


def test_an_unknown_kind_is_refused():
    state = advance(RunState(), event_of(created(), 1))

    with pytest.raises(IllegalMove, match="unknown"):
        advance(state, Event(RUN, 2, "run.exploded", {}, BEGIN))


def test_tokens_are_summed_over_the_steps():
    log = [created(), ev.RunStarted(attempt=1, worker="w"), responded(1), responded(2)]
    state = fold(event_of(payload, seq) for seq, payload in enumerate(log, start=1))

    assert (state.steps, state.input_tokens, state.output_tokens) == (2, 380, 32)
