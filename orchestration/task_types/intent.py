"""`intent`: a tool of the registry, called as a task."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import UUID

from orchestration.tools.offered import tools_enabled
from taskmapr.core.task_types import Permanent, TaskContext, task
from taskmapr.core.tools import ToolContext, ToolSpec, is_named
from taskmapr.foundation.aio import in_database
from taskmapr.users.selectors import user_by_id

_SCHEMA: Final = {
    "type": "object",
    "required": ["intent"],
    "additionalProperties": False,
    "properties": {
        "intent": {"type": "string", "description": "Name of a tool, such as `memory.search`."},
        "inputs": {"type": "object", "default": {}},
    },
}


@task(
    "intent",
    _SCHEMA,
    title="Intent",
    description="Calls one of the tools that only read, as the owner of the task.",
    example={"intent": "knowledge.list_knowledge_collections", "inputs": {}},
    queue="agent",
    scopes=("tasks:assign", "intents:run"),
)
async def intent(params: dict[str, Any], ctx: TaskContext) -> Any:
    name = params["intent"]
    if ctx.intents is not None and not is_named(name, ctx.intents):
        raise Permanent("intent_forbidden", f"The key of this task may not use {name!r}.")
    spec = await in_database(_tool, name)
    if spec.danger != "read":
        raise Permanent("intent_forbidden", "Only tools that read are called without an operator.")
    return await _called(spec, params.get("inputs") or {}, ctx)


async def tool_called(name: str, inputs: dict[str, Any], ctx: TaskContext) -> Any:
    """What the tool answers. Raises Permanent and whatever the tool raises."""
    return await _called(await in_database(_tool, name), inputs, ctx)


async def _called(spec: ToolSpec, inputs: dict[str, Any], ctx: TaskContext) -> Any:
    spec.check(inputs)
    if not await in_database(_is_permitted, ctx.user_id, spec):
        raise Permanent("intent_forbidden", f"The owner of the task may not use {spec.name!r}.")
    if spec.has_effect:
        await asyncio.to_thread(ctx.effect_begin, spec.name)
    async with asyncio.timeout(spec.timeout_s):
        return await spec.handler(_context(spec, ctx), inputs)


def _tool(name: str) -> ToolSpec:
    """The tool as operators want it. Raises Permanent: there is none, or they took it away."""
    own, _ = tools_enabled()
    found = next((spec for spec in own if spec.name == name), None)
    if found is None:
        raise Permanent("unknown_intent", f"There is no tool called {name!r}.")
    return found


def _is_permitted(user_id: str, spec: ToolSpec) -> bool:
    user = user_by_id(UUID(user_id))
    return user is not None and (not spec.permission or user.has_perm(spec.permission))


def _context(spec: ToolSpec, ctx: TaskContext) -> ToolContext:
    return ToolContext(
        run_id=ctx.task_id,
        call_id="task",
        user_id=ctx.user_id,
        session_id=None,
        options={"knowledge": {"collections": ["*"]}},
        is_models_choice=False,
        progress=lambda fraction, text: ctx.progress(100 * fraction, text),
        log=ctx.log,  # type: ignore[arg-type]
    )
