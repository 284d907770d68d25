"""Finished model turns as items of the OpenAI Agents SDK."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseReasoningItem,
)
from openai.types.responses.response_reasoning_item import Summary

from taskmapr.core.ports import ModelResponse

#: Stands for every tool that was not offered; no registry name has a capital letter.
UNOFFERED: Final = "Unoffered"


def output_items(response: ModelResponse, turn: int, offered: Container[str]) -> list[Any]:
    """The turn (from 1) as SDK items, built without validation: every value is ours.

    `offered` are the model names of the tools that the SDK knows.
    """
    items: list[Any] = []
    if response.reasoning:
        summary = Summary.model_construct(text=response.reasoning, type="summary_text")
        items.append(
            ResponseReasoningItem.model_construct(
                id=f"rs_{turn}", summary=[summary], type="reasoning"
            )
        )
    # A turn with nothing in it must still count as an answer, or the SDK asks again for ever.
    if response.text or not response.tool_calls:
        text = ResponseOutputText.model_construct(
            text=response.text, type="output_text", annotations=[]
        )
        items.append(
            ResponseOutputMessage.model_construct(
                id=f"msg_{turn}",
                content=[text],
                role="assistant",
                status="completed",
                type="message",
            )
        )
    for call in response.tool_calls:
        name = call.name if call.name in offered else UNOFFERED
        items.append(
            ResponseFunctionToolCall.model_construct(
                call_id=call.call_id, name=name, arguments=call.arguments, type="function_call"
            )
        )
    return items
