"""A streamed chat completion, put together again. Text goes to the sink while it comes in."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson

from orchestration.adapters.chat_completions.failures import failure_in_stream
from taskmapr.core.errors import ModelFailed
from taskmapr.core.ports import ModelResponse, ModelSink, ToolCallRequest

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _OpenCall:
    """A tool call of which some fragments have come."""

    call_id: str
    name: str
    arguments: str = ""


class AnswerAssembler:
    """Takes the chunks of one answer (also a whole message, as a single chunk) as JSON objects."""

    def __init__(self, sink: ModelSink, model: str) -> None:
        self._sink = sink
        self._model = model
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[_OpenCall] = []
        #: The call that fragments with this index belong to.
        self._by_index: dict[int, _OpenCall] = {}
        self._finish_reason: str | None = None
        self._usage: Mapping[str, Any] | None = None

    @property
    def is_finished(self) -> bool:
        """The model said why it stopped, so nothing of the answer is missing."""
        return self._finish_reason is not None

    def feed(self, chunk: Any) -> None:
        """Take one chunk. What cannot be understood is skipped.

        Raises the mapped ModelFailed when the chunk carries the provider's error.
        """
        if not isinstance(chunk, dict):
            logger.warning("A chunk of the model's answer is not an object; skipped")
            return
        if chunk.get("error"):
            raise failure_in_stream(chunk["error"])
        if isinstance(usage := chunk.get("usage"), dict):
            self._usage = usage
        if isinstance(model := chunk.get("model"), str) and model:
            self._model = model
        choices = chunk.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            self._take_choice(choices[0])

    def finish(self) -> ModelResponse:
        """The whole answer. Raises ModelFailed when it ended before the model had finished."""
        if not self.is_finished:
            raise ModelFailed("The language model's answer broke off.")
        usage = self._usage or {}
        return ModelResponse(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            tool_calls=[
                ToolCallRequest(call_id=c.call_id, name=c.name, arguments=c.arguments or "{}")
                for c in self._calls
                if c.name
            ],
            input_tokens=_count(usage.get("prompt_tokens")),
            output_tokens=_count(usage.get("completion_tokens")),
            finish_reason=self._finish_reason,
            model=self._model,
            usage_reported=self._usage is not None,
        )

    def end(self) -> None:
        """The stream's end mark came: count the answer as finished even without a reason."""
        self._finish_reason = self._finish_reason or "stop"

    def _take_choice(self, choice: Mapping[str, Any]) -> None:
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict):
            # Some providers fill both names of the reasoning with the same text.
            if thought := _text_of(delta.get("reasoning_content") or delta.get("reasoning")):
                self._reasoning.append(thought)
                self._sink.reasoning(thought)
            if text := _text_of(delta.get("content")) or _text_of(delta.get("refusal")):
                self._text.append(text)
                self._sink.text(text)
            if calls := delta.get("tool_calls"):
                self._take_calls(calls)
        if isinstance(reason := choice.get("finish_reason"), str):
            self._finish_reason = reason

    def _take_calls(self, fragments: Any) -> None:
        for position, fragment in enumerate(fragments if isinstance(fragments, list) else ()):
            if isinstance(fragment, dict):
                self._take_fragment(position, fragment)

    def _take_fragment(self, position: int, fragment: Mapping[str, Any]) -> None:
        function = fragment.get("function")
        function = function if isinstance(function, dict) else {}
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        call = self._call_for(position, fragment, name)
        # The name comes whole; some providers repeat it with every fragment.
        call.name = call.name or name
        # Some providers send the arguments as an object.
        call.arguments += arguments if isinstance(arguments, str) else _as_text(arguments)

    def _call_for(self, position: int, fragment: Mapping[str, Any], name: str) -> _OpenCall:
        index = fragment.get("index")
        index = index if isinstance(index, int) else position
        known, call_id = self._by_index.get(index), fragment.get("id")
        call_id = call_id if isinstance(call_id, str) else ""
        # Providers that number every call 0 mark the next one by another id.
        if known is not None and (not call_id or not name or call_id == known.call_id):
            return known
        taken = {call.call_id for call in self._calls}
        opened = _OpenCall(call_id if call_id and call_id not in taken else new_call_id(), name)
        self._calls.append(opened)
        self._by_index[index] = opened
        return opened


def new_call_id() -> str:
    return f"call_{uuid4().hex}"


def _as_text(arguments: Any) -> str:
    return orjson.dumps(arguments).decode()


def _text_of(content: Any) -> str:
    """Text given as a string or as a list of parts `{type: text, text}`."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(p["text"] for p in content if isinstance(p, dict) and _is_text(p))
    return ""


def _is_text(part: Mapping[str, Any]) -> bool:
    return part.get("type") == "text" and isinstance(part.get("text"), str)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
