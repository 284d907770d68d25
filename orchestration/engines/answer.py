"""What a model says, on its way into the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from orchestration.execution.drive import HeldRun
from orchestration.prompts.actions import ActionBlocks
from orchestration.tools.sent_actions import ActionSource, SentActions
from orchestration.tools.ui_actions import ActionRules
from taskmapr.core.events import (
    REASONING_DELTA,
    TEXT_DELTA,
    ReasoningCompleted,
    ReasoningStarted,
    UiActions,
)

logger = logging.getLogger(__name__)


class AnswerSink:
    """ModelSink of one run: takes action blocks out, opens and closes reasoning, times the
    start."""

    def __init__(self, held: HeldRun, rules: ActionRules) -> None:
        self._held = held
        self._rules = rules
        self._blocks = ActionBlocks(rules)
        self._sent = SentActions()
        # What an earlier attempt sent counts; which way it came does not matter any more.
        self._sent.take(held.transcript.actions, "tool")

    @property
    def sent_actions(self) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = self._sent.sent
        return sent

    def text(self, delta: str) -> None:
        text, blocks = self._blocks.feed(delta)
        self._say(text)
        for actions in blocks:
            self._act(actions, "block")

    def reasoning(self, delta: str) -> None:
        writer = self._held.writer
        self._mark_first_output()
        if not writer.state.reasoning_open:
            writer.append(ReasoningStarted())
        writer.append_delta(REASONING_DELTA, delta)

    def end_turn(self) -> None:
        """The model turn is over: release what was held back, close what is open."""
        text, blocks, warnings = self._blocks.close()
        self._blocks = ActionBlocks(self._rules)
        self._say(text)
        for actions in blocks:
            self._act(actions, "block")
        self._close_reasoning()
        for warning in warnings:
            told = "sealed" if self._held.claim.sealer else warning
            logger.warning("[TaskMapr] Action block refused: %s", told)

    def emitter(self, call_id: str) -> Callable[[list[dict[str, Any]]], None]:
        """The `emit_actions` of one tool call."""
        return lambda actions: self._act(actions, "tool", call_id)

    def _act(
        self, actions: list[dict[str, Any]], source: ActionSource, call_id: str | None = None
    ) -> None:
        if fresh := self._sent.take(actions, source):
            self._close_reasoning()
            self._held.writer.append(UiActions(actions=fresh, call_id=call_id))

    def _say(self, text: str) -> None:
        if not text:
            return
        self._mark_first_output()
        self._close_reasoning()
        self._held.writer.append_delta(TEXT_DELTA, text)

    def _close_reasoning(self) -> None:
        if self._held.writer.state.reasoning_open:
            self._held.writer.append(ReasoningCompleted())

    def _mark_first_output(self) -> None:
        if self._held.first_output_ms is None:
            since = datetime.now(UTC) - self._held.claim.created_at
            self._held.first_output_ms = max(0, round(since.total_seconds() * 1000))
