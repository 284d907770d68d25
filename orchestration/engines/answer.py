"""What a model says, on its way into the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from orchestration.execution.drive import HeldRun
from orchestration.prompts.actions import ActionBlocks
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
    """ModelSink of one run: strips action blocks, opens and closes reasoning, counts first output.

    Equal actions of a run reach the page once, whether they came from a tool or from a block.
    """

    def __init__(self, held: HeldRun, rules: ActionRules) -> None:
        self._held = held
        self._rules = rules
        self._blocks = ActionBlocks(rules)
        self._sent = {_key(action) for action in held.transcript.actions}

    def text(self, delta: str) -> None:
        text, blocks = self._blocks.feed(delta)
        self._say(text)
        for actions in blocks:
            self.act(actions)

    def reasoning(self, delta: str) -> None:
        writer = self._held.writer
        self._mark_first_output()
        if not writer.state.reasoning_open:
            writer.append(ReasoningStarted())
        writer.append_delta(REASONING_DELTA, delta)

    def end_turn(self) -> None:
        """The model turn is over: release what was held back."""
        text, blocks, warnings = self._blocks.close()
        self._blocks = ActionBlocks(self._rules)
        self._say(text)
        for actions in blocks:
            self.act(actions)
        self._close_reasoning()
        for warning in warnings:
            logger.warning("run %s: %s", self._held.run_id, warning)

    def act(self, actions: list[dict[str, Any]], call_id: str | None = None) -> None:
        """Send actions to the page, except those that it was sent before."""
        fresh = []
        for action in actions:
            if (key := _key(action)) not in self._sent:
                self._sent.add(key)
                fresh.append(action)
        if fresh:
            self._close_reasoning()
            self._held.writer.append(UiActions(actions=fresh, call_id=call_id))

    def emitter(self, call_id: str) -> Callable[[list[dict[str, Any]]], None]:
        """The `emit_actions` of one tool call."""
        return lambda actions: self.act(actions, call_id)

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
            self._held.first_output_ms = round(since.total_seconds() * 1000)


def _key(action: dict[str, Any]) -> bytes:
    return orjson.dumps(action, option=orjson.OPT_SORT_KEYS)
