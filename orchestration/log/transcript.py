"""What was said and done in a run so far, collected from its events while they happen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from orchestration.log.store import Answer
from taskmapr.core.events import REASONING_DELTA, TEXT_DELTA, Event
from taskmapr.core.ports import ToolCallRequest
from taskmapr.core.tools import model_name_of


class Transcript:
    """Text, actions and the model's side of the conversation.

    `messages` are chat messages as in ModelRequest: one for each finished model turn that called
    tools, and one for each tool result. Turns cut off before `model.responded` are not among them.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.actions: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        self._text: list[str] = []
        self._turn_starts_at = 0
        #: What the last finished turn said, if it asked for no tool.
        self._last_turn = ""
        self._reasoning: list[str] = []
        self._calls: dict[str, ToolCallRequest] = {}
        #: Of model turns and tool calls so far; None as soon as the price of a turn is unknown.
        self.cost_usd_micros: int | None = 0
        for event in events:
            self.feed(event.kind, event.data)

    def feed(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind == TEXT_DELTA:
            self._text.append(data["text"])
        elif kind == REASONING_DELTA:
            self._reasoning.append(data["text"])
        elif kind == "ui.actions":
            self.actions.extend(data["actions"])
        elif kind == "model.responded":
            self._turn_ended(data)
        elif kind == "tool.completed":
            self._spent(data.get("cost_usd_micros") or 0)
            self._tool_ended(data)
        elif kind == "run.retrying":
            # The turn that was cut off is asked again; what it said is no part of the next one.
            self._turn_starts_at = len(self._text)
            self._reasoning = []

    @property
    def text(self) -> str:
        return "".join(self._text)

    @property
    def pending_calls(self) -> list[ToolCallRequest]:
        """Calls that the last model turn asked for and that have no result yet."""
        return list(self._calls.values())

    def answer(self, session_id: str, *, is_partial: bool) -> Answer:
        """What the session keeps.

        `items` are the chat messages of an answer that called tools, up to its last words; calls
        without a result are left out, because no model accepts them.
        """
        items = _answered(self.messages)
        if items and (last := "".join(self._text[self._turn_starts_at :]) or self._last_turn):
            items.append({"role": "assistant", "content": last})
        return Answer(
            session_id=session_id,
            content=self.text,
            actions=list(self.actions),
            items=items,
            is_partial=is_partial,
        )

    def _turn_ended(self, data: Mapping[str, Any]) -> None:
        text = "".join(self._text[self._turn_starts_at :])
        self._turn_starts_at = len(self._text)
        reasoning, self._reasoning = "".join(self._reasoning), []
        self._spent(data.get("cost_usd_micros"))
        calls = data.get("calls") or []
        self._calls = {
            c["call_id"]: ToolCallRequest(
                call_id=c["call_id"], name=c["name"], arguments=c["arguments"]
            )
            for c in calls
        }
        self._last_turn = "" if calls else text
        if not calls:
            return
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text or None,
            "tool_calls": [
                {
                    "id": c["call_id"],
                    "type": "function",
                    "function": {
                        "name": model_name_of(c["name"]),
                        "arguments": c["arguments"],
                    },
                }
                for c in calls
            ],
        }
        if reasoning:
            message["reasoning_content"] = reasoning
        self.messages.append(message)

    def _spent(self, cost_usd_micros: int | None) -> None:
        """None: it cost something, and nobody knows how much."""
        if cost_usd_micros is None or self.cost_usd_micros is None:
            self.cost_usd_micros = None
        else:
            self.cost_usd_micros += cost_usd_micros

    def _tool_ended(self, data: Mapping[str, Any]) -> None:
        if self._calls.pop(data["call_id"], None) is None:
            return
        self.messages.append(
            {
                "role": "tool",
                "tool_call_id": data["call_id"],
                "content": tool_output(data["ok"], data.get("result"), data.get("error")),
            }
        )


def tool_output(ok: bool, result: Any, error: str | None) -> str:
    """A tool result as the model reads it."""
    if ok:
        return result if isinstance(result, str) else orjson.dumps(result).decode()
    return orjson.dumps({"error": error or "failed"}).decode()


def _answered(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    results = {m["tool_call_id"] for m in messages if m["role"] == "tool"}
    kept = []
    for message in messages:
        if message["role"] == "assistant":
            calls = [c for c in message["tool_calls"] if c["id"] in results]
            if not calls:
                continue
            message = {**message, "tool_calls": calls}  # noqa: PLW2901
        kept.append(message)
    return kept
