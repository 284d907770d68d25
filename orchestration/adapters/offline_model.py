"""`mock/echo`: the model that is always there. Deterministic, in this process, without a network.

Without a key it makes a first look worth while: it reads the page of the request, quotes it, and
calls the `ui` tools that it was offered. `ModelEndpoint.extra` understands `script` (see
`offline.scripts`) and `delay_ms`, the pause between two words.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from orchestration.adapters.offline.reading import Page
from orchestration.adapters.offline.replies import (
    NOTICE,
    Question,
    Reply,
    reply_after_tools,
    reply_to,
)
from orchestration.adapters.offline.scripts import Step, pieces_of, scripted_failure, scripted_turn
from taskmapr.core.ports import ModelRequest, ModelResponse, ModelSink, ToolCallRequest

_PIECE: Final = re.compile(r"\s*\S+\s*")


#: The first and last line of a data block (`orchestration.prompts.hygiene`).
_DATA_MARK: Final = re.compile(r"<<(?:end of )?page-data \w+>>")


class OfflineModel:
    """A model port. `word_delay_s` paces the words, so that a demonstration looks like a model."""

    def __init__(self, *, word_delay_s: float = 0.0) -> None:
        self._word_delay_s = word_delay_s

    async def respond(self, request: ModelRequest, sink: ModelSink) -> ModelResponse:
        """One turn (see ModelPort). Fails only when a script says so."""
        turn = _Turn(request, sink)
        await asyncio.sleep(0)
        steps = scripted_turn(request.endpoint.extra.get("script"), turn.prompt, turn.number)
        if steps is None:
            await turn.say(turn.reply(), self._pause_s(request))
        else:
            for step in steps:
                await turn.play(step)
        return turn.response()

    def _pause_s(self, request: ModelRequest) -> float:
        delay_ms = request.endpoint.extra.get("delay_ms")
        return self._word_delay_s if delay_ms is None else delay_ms / 1000


class _Turn:
    """One answer while it is being given."""

    def __init__(self, request: ModelRequest, sink: ModelSink) -> None:
        self._request, self._sink = request, sink
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[ToolCallRequest] = []
        prompts = [i for i, m in enumerate(request.messages) if m["role"] == "user"]
        self._since = list(request.messages[prompts[-1] + 1 :]) if prompts else []
        self._prompts = [_text_of(request.messages[i]) for i in prompts]
        #: How often the model spoke since the last prompt.
        self.number = sum(m["role"] == "assistant" for m in self._since)

    @property
    def prompt(self) -> str:
        return self._prompts[-1] if self._prompts else ""

    def reply(self) -> Reply:
        """The built-in answer; the first one of a conversation ends with a notice."""
        if self._since and self._since[-1]["role"] == "tool":
            reply = self._reply_after_tools()
        else:
            reply = reply_to(self._question())
        if reply.calls or any(NOTICE in _text_of(m) for m in self._request.messages):
            return reply
        return Reply(f"{reply.text}\n\n{NOTICE}")

    async def say(self, reply: Reply, pause_s: float) -> None:
        for word in _PIECE.findall(reply.text):
            self._hear_text(word)
            if pause_s:
                await asyncio.sleep(pause_s)
        for name, arguments in reply.calls:
            self._ask(name, arguments)

    async def play(self, step: Step) -> None:
        if "delay_ms" in step:
            await asyncio.sleep(step["delay_ms"] / 1000)
        for thought in pieces_of(step.get("reasoning", ())):
            self._reasoning.append(thought)
            self._sink.reasoning(thought)
        for text in pieces_of(step.get("text", ())):
            self._hear_text(text)
        if "call" in step:
            self._ask(step["call"], step.get("arguments", {}), step.get("id"))
        if "fail" in step:
            raise scripted_failure(step["fail"])

    def response(self) -> ModelResponse:
        """Tokens are counted as words."""
        text, reasoning = "".join(self._text), "".join(self._reasoning)
        asked = [self._request.instructions, *map(_text_of, self._request.messages)]
        return ModelResponse(
            text=text,
            reasoning=reasoning,
            tool_calls=self._calls,
            input_tokens=sum(len(part.split()) for part in asked),
            output_tokens=len(text.split()) + len(reasoning.split()) + len(self._calls),
            finish_reason="tool_calls" if self._calls else "stop",
            model=self._request.endpoint.model,
        )

    def _question(self) -> Question:
        endpoint = self._request.endpoint
        tools = self._request.tools if endpoint.supports_tools else ()
        return Question(
            prompt=self.prompt,
            page=Page(self._request.page),
            tools=frozenset(tool.name for tool in tools),
            earlier=self._prompts[:-1],
        )

    def _reply_after_tools(self) -> Reply:
        asking = max(i for i, m in enumerate(self._since) if m["role"] == "assistant")
        calls = [_call_of(call) for call in self._since[asking].get("tool_calls") or ()]
        results = [_text_of(m) for m in self._since[asking + 1 :] if m["role"] == "tool"]
        # The texts of a run's turns are shown as one.
        gap = "\n\n" if _text_of(self._since[asking]) else ""
        return Reply(gap + reply_after_tools(calls, results))

    def _hear_text(self, text: str) -> None:
        self._text.append(text)
        self._sink.text(text)

    def _ask(self, name: str, arguments: Any, call_id: str | None = None) -> None:
        text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
        made_id = call_id or f"call_{len(self._prompts)}_{self.number}_{len(self._calls)}"
        self._calls.append(ToolCallRequest(call_id=made_id, name=name, arguments=text))


def _text_of(message: Mapping[str, Any]) -> str:
    """What a message says, without the marks that keep data apart for real models."""
    content = message.get("content")
    return _DATA_MARK.sub("", content).strip() if isinstance(content, str) else ""


def _call_of(call: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    function = call["function"]
    try:
        arguments = orjson.loads(function["arguments"])
    except orjson.JSONDecodeError:
        arguments = {}
    return function["name"], arguments if isinstance(arguments, dict) else {}
