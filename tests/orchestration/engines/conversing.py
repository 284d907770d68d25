"""Runs of the assistant with a model that says what a test wants it to say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from orchestration.log.store import events_after
from orchestration.models import Run
from taskmapr.core.events import Event
from taskmapr.core.ports import ModelRequest, ModelResponse, ModelSink, ToolCallRequest


@dataclass
class Turn:
    """What the scripted model says in one turn."""

    text: list[str] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    failure: Exception | None = None


class ScriptedModel:
    """A model port that says its turns in order, and keeps what it was asked."""

    def __init__(self, *turns: Turn) -> None:
        self.turns = list(turns)
        self.requests: list[ModelRequest] = []

    async def respond(self, request: ModelRequest, sink: ModelSink) -> ModelResponse:
        self.requests.append(request)
        turn = self.turns.pop(0)
        for piece in turn.reasoning:
            sink.reasoning(piece)
        for piece in turn.text:
            sink.text(piece)
        if turn.failure is not None:
            raise turn.failure
        return ModelResponse(
            text="".join(turn.text),
            reasoning="".join(turn.reasoning),
            tool_calls=[
                ToolCallRequest(
                    call_id=f"c{len(self.requests)}{n}", name=name, arguments=json.dumps(a)
                )
                for n, (name, a) in enumerate(turn.calls)
            ],
            input_tokens=100,
            output_tokens=10,
            finish_reason="stop",
            model=request.endpoint.model,
        )


Ask = Callable[..., Run]


def events(run: Run, kind: str) -> list[Event]:
    return [event for event in events_after(run.pk, 0) if event.kind == kind]


def text_of(run: Run) -> str:
    return "".join(event.data["text"] for event in events(run, "text.delta"))


def prompts(request: ModelRequest) -> list[Any]:
    return [m["content"] for m in request.messages if m["role"] == "user"]
