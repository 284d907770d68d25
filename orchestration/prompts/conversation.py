"""The messages that a model sees before and with the prompt.

Only what was said belongs here: the page is part of the instructions, so old pages do not pile up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestration.page.request import OverlayRequest
from orchestration.prompts.hygiene import DataQuoter

Message = dict[str, Any]


def messages_for_model(
    session_items: Sequence[Mapping[str, Any]],
    request: OverlayRequest,
    *,
    quoter: DataQuoter | None = None,
) -> list[Message]:
    """Chat messages, oldest first, ending with the prompt.

    quoter: quotes the stored results of tools as data of this run.

    session_items: the stored messages of the session, {role: user|assistant|tool, content,
    tool_calls?, tool_call_id?}. Only when there are none, the browser's memory stands in; its
    system items are data and appear in the instructions instead.
    """
    earlier = earlier_messages(session_items, request)
    if quoter is not None:
        earlier = [_quoted(message, quoter) for message in earlier]
    return [*earlier, {"role": "user", "content": request.prompt}]


def earlier_messages(
    session_items: Sequence[Mapping[str, Any]], request: OverlayRequest
) -> list[Message]:
    """The same without the prompt."""
    if session_items:
        return without_open_calls(session_items)
    return [
        {"role": item.role, "content": item.content}
        for item in request.history
        if item.role != "system"
    ]


def _quoted(message: Message, quoter: DataQuoter) -> Message:
    if message["role"] != "tool":
        return message
    return {**message, "content": quoter.tool_text(str(message.get("content") or ""))}


def without_open_calls(items: Sequence[Mapping[str, Any]]) -> list[Message]:
    """The messages without tool calls that have no answer, and without answers to no call.

    Model providers refuse a conversation that holds either; a cancelled run leaves them behind.
    """
    asked = {call["id"] for item in items for call in item.get("tool_calls") or ()}
    answered = {item["tool_call_id"] for item in items if item["role"] == "tool"}
    return list(_closed(items, asked & answered))


def _closed(items: Sequence[Mapping[str, Any]], known: set[str]) -> Iterator[Message]:
    for item in items:
        message = dict(item)
        if message["role"] == "tool" and message["tool_call_id"] not in known:
            continue
        if calls := message.pop("tool_calls", None):
            kept = [call for call in calls if call["id"] in known]
            if kept:
                message["tool_calls"] = kept
        if message.get("content") or "tool_calls" in message or message["role"] == "tool":
            yield message
