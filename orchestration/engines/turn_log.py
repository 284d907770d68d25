"""A model's turns in a run's log: what each took, cost and asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from orchestration.execution.drive import HeldRun
from taskmapr.core import wired
from taskmapr.core.events import ModelResponded
from taskmapr.core.ports import ModelEndpoint, ModelResponse, ToolCallRequest
from taskmapr.core.tools import ToolSpec


class TurnLog:
    """The turns of one attempt; the first begins now.

    find: the tool that a model means by a name, if it is known.
    """

    def __init__(
        self, held: HeldRun, endpoint: ModelEndpoint, find: Callable[[str], ToolSpec | None]
    ) -> None:
        self._held, self._find = held, find
        #: Whose prices count: the fallback's, once that answers.
        self.answering = endpoint
        self._began = datetime.now(UTC)

    async def ended(self, response: ModelResponse) -> None:
        """Writes the turn; before its tools are called, that is stored."""
        writer, now = self._held.writer, datetime.now(UTC)
        took_ms = round((now - self._began).total_seconds() * 1000)
        self._began = now
        writer.append(
            ModelResponded(
                step=writer.state.steps + 1,
                model=response.model,
                duration_ms=took_ms,
                finish_reason=response.finish_reason,
                input_tokens=response.input_tokens,
                output_tokens=response.output_tokens,
                cost_usd_micros=self._cost(response),
                calls=[self._kept(call) for call in response.tool_calls],
            )
        )
        if response.tool_calls:
            await writer.checkpoint()

    def _cost(self, response: ModelResponse) -> int | None:
        if not response.usage_reported:
            return None
        return wired.ports().prices.cost_usd_micros(
            self.answering, response.input_tokens, response.output_tokens
        )

    def _kept(self, call: ToolCallRequest) -> dict[str, Any]:
        spec = self._find(call.name)
        name = spec.name if spec is not None else call.name
        return {"call_id": call.call_id, "name": name, "arguments": call.arguments}
