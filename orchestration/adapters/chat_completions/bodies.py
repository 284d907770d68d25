"""Requests as chat-completions bodies, and what each endpoint will not take."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from taskmapr.core.ports import ModelRequest, ToolDefinition

_LIMIT_NAMES: Final = ("max_tokens", "max_completion_tokens")
#: Members without which a request still means the same.
_DISPENSABLE: Final = frozenset(
    {*_LIMIT_NAMES, "temperature", "stream_options", "parallel_tool_calls"}
)
#: OpenAI's reasoning models: another name for the token limit, and no temperature
#: (platform.openai.com/docs/guides/reasoning). The chat variants of gpt-5 are ordinary models.
_REASONING_MODEL: Final = re.compile(r"(o\d|gpt-5)(?!.*-chat)")


@dataclass(slots=True)
class Habits:
    """What one model at one endpoint wants, known by its name or learnt from its refusals."""

    limit_name: str = "max_tokens"
    unwanted: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, model: str) -> Habits:
        if _REASONING_MODEL.match(model.rsplit("/", 1)[-1]):
            return cls("max_completion_tokens", {"temperature"})
        return cls()

    def learn(self, parameter: str) -> bool:
        """Remember that `parameter` is refused. False when there is no way around it."""
        name = parameter.split(".", 1)[0]
        if name not in _DISPENSABLE or name in self.unwanted:
            return False
        self.unwanted.add(name)
        if name == self.limit_name:
            self.limit_name = next(other for other in _LIMIT_NAMES if other != name)
        return True


def body_of(request: ModelRequest, model: str, habits: Habits) -> dict[str, Any]:
    """The JSON body, always streaming. `endpoint.extra["body"]` is laid over it."""
    endpoint = request.endpoint
    limit = request.max_output_tokens or endpoint.max_output_tokens
    wanted: dict[str, Any] = {
        "model": model,
        "messages": _messages(request, keep_reasoning=_wants_reasoning(request, model)),
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": request.temperature,
        habits.limit_name: limit,
    }
    if request.tools and endpoint.supports_tools:
        wanted["tools"] = tools_as_json(request.tools)
        wanted["parallel_tool_calls"] = request.parallel_tool_calls
    body = {k: v for k, v in wanted.items() if v is not None and k not in habits.unwanted}
    return body | dict(endpoint.extra.get("body") or {})


def tools_as_json(tools: Sequence[ToolDefinition]) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.summary,
                "parameters": tool.input_schema,
            },
        }
        for tool in tools
    ]


def chat_messages(request: ModelRequest) -> list[Mapping[str, Any]]:
    """The instructions as a system message, then the conversation without its reasoning."""
    return _messages(request, keep_reasoning=False)


def _messages(request: ModelRequest, *, keep_reasoning: bool) -> list[Mapping[str, Any]]:
    system = [{"role": "system", "content": request.instructions}] if request.instructions else []
    if keep_reasoning:
        return [*system, *request.messages]
    return [*system, *map(_without_reasoning, request.messages)]


def _without_reasoning(message: Mapping[str, Any]) -> Mapping[str, Any]:
    if "reasoning_content" not in message:
        return message
    return {k: v for k, v in message.items() if k != "reasoning_content"}


def _wants_reasoning(request: ModelRequest, model: str) -> bool:
    """DeepSeek refuses a tool result whose call came without its reasoning; others refuse to see it
    (api-docs.deepseek.com/guides/thinking_mode). `endpoint.extra["send_reasoning"]` overrules."""
    return bool(request.endpoint.extra.get("send_reasoning", "deepseek" in model.lower()))
