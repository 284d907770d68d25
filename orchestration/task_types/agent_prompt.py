"""`agent_prompt`: a model answers and may call tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from taskmapr.core.task_types import ModelPrompt, TaskContext, task

PROMPT: Final = {"type": "string", "minLength": 1, "maxLength": 32_000}
INSTRUCTIONS_LENGTH: Final = 8000
TOOLS_MOST: Final = 100

_SCHEMA: Final = {
    "type": "object",
    "required": ["prompt"],
    "additionalProperties": False,
    "properties": {
        "prompt": PROMPT,
        "instructions": {
            "type": "string",
            "maxLength": INSTRUCTIONS_LENGTH,
            "description": "How it should go about it.",
        },
        "model": {"type": "string", "maxLength": 200},
        "tools": {
            "type": "array",
            "items": {"type": "string", "maxLength": 180},
            "maxItems": TOOLS_MOST,
            "description": (
                "Names or patterns such as memory.*; every tool that reads when left out. Tools"
                " that change something must be named in full."
            ),
        },
    },
}


def prompt_of(params: Mapping[str, Any]) -> ModelPrompt:
    tools = params.get("tools")
    return ModelPrompt(
        text=params["prompt"],
        instructions=params.get("instructions", ""),
        model=params.get("model"),
        tools=None if tools is None else tuple(tools),
    )


def text_of(params: Mapping[str, Any]) -> str:
    """What a model reads of parameters of any schema: a lone prompt as it is, else all as JSON."""
    prompt = params.get("prompt")
    if isinstance(prompt, str) and len(params) == 1:
        return prompt
    return orjson.dumps(params, option=orjson.OPT_INDENT_2).decode()


async def asked_of_a_model(params: dict[str, Any], ctx: TaskContext) -> Any:
    """The handler of types that ask a model: the engine of tasks asks instead of calling it."""
    raise NotImplementedError("Types that ask a model have no code of their own.")


agent_prompt = task(
    "agent_prompt",
    _SCHEMA,
    title="Ask a model",
    description="A model answers a prompt, and calls tools where they help.",
    example={"prompt": "Which collections are there?", "tools": ["knowledge.*"]},
    queue="agent",
    danger="write",
    scopes=("tasks:assign", "intents:run"),
    prompt=prompt_of,
)(asked_of_a_model)
