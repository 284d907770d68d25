"""What the stack's processes know beyond the product: tools that stand still, a sealed kind."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from django.conf import settings

from taskmapr.core.run_kinds import RunKind, run_kind_add
from taskmapr.core.task_types import TaskContext, task
from taskmapr.core.tools import ToolContext, tool
from tests.e2e.cast import effects_file, order_file, release_file

_LINE: Final = {
    "type": "object",
    "properties": {"line": {"type": "string"}},
    "required": ["line"],
    "additionalProperties": False,
}

SEALED_KIND: Final = run_kind_add(
    RunKind(
        name="sealed",
        engine="orchestration.engines.assistant:AssistantEngine",
        when_lost="resume",
        sealed=True,
        content_retention_h=24,
    )
)


async def _stand_still_if_told(moment: str, line: str) -> None:
    order = order_file(settings.DATA_DIR, moment, line)
    if order.exists():
        order.unlink()
        await asyncio.Event().wait()


@tool("test.write", summary="Writes a line.", input_schema=_LINE, has_effect=True, danger="write")
async def write(context: ToolContext, args: dict[str, Any]) -> dict[str, Any]:
    await _stand_still_if_told("before", args["line"])
    with effects_file(settings.DATA_DIR).open("a") as file:
        file.write(args["line"] + "\n")
    await _stand_still_if_told("after", args["line"])
    return {"written": args["line"]}


@tool(
    "test.permitted_write",
    summary="Writes a line when a person permits it.",
    input_schema=_LINE,
    has_effect=True,
    needs_approval=True,
    danger="write",
)
async def permitted_write(context: ToolContext, args: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = await write.handler(context, args)
    return result


@tool("test.read", summary="Says the line again.", input_schema=_LINE)
async def read(context: ToolContext, args: dict[str, Any]) -> dict[str, Any]:
    return {"read": args["line"]}


@tool("test.priced", cost_usd_micros=250_000)
async def priced(ctx: ToolContext, word: str) -> dict[str, str]:
    """Costs a quarter of a dollar."""
    return {"word": word}


@tool("test.slow", timeout_s=60)
async def slow(ctx: ToolContext, seconds: float, name: str) -> dict[str, str]:
    """Takes so long, says how far it is, and counts its calls by name."""
    with effects_file(settings.DATA_DIR).open("a") as file:
        file.write(name + "\n")
    steps = max(1, round(seconds * 4))
    for step in range(steps):
        ctx.progress(step / steps, f"{step} of {steps}")
        await asyncio.sleep(seconds / steps)
    return {"name": name}


@tool("test.held", timeout_s=60)
async def held(ctx: ToolContext, name: str) -> dict[str, str]:
    """Counts its calls by name, says that it has begun, and goes on when a test lets it."""
    with effects_file(settings.DATA_DIR).open("a") as file:
        file.write(name + "\n")
    ctx.progress(0.25, "begun")
    await _released(name)
    ctx.progress(0.75, "released")
    return {"name": name}


_HELD_TASK: Final = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "steps": {"type": "integer"},
        "held_after": {"type": "integer"},
    },
    "required": ["name", "steps", "held_after"],
}


@task("test.held_task", _HELD_TASK, title="Held")
async def held_task(params: dict[str, Any], ctx: TaskContext) -> dict[str, int]:
    """Step by step as `test_task`; between two of them it stands until a test lets it go on."""
    steps: int = params["steps"]
    for step in range(1, steps + 1):
        ctx.check_cancelled()
        text = f"step {step} of {steps}"
        ctx.log("info", text)
        ctx.progress(100 * step // steps, text)
        if step == params["held_after"]:
            await _released(params["name"])
    return {"steps": steps}


async def _released(name: str) -> None:
    while not release_file(settings.DATA_DIR, name).exists():
        await asyncio.sleep(0.02)


@task("test.ask_first", title="Asks first", max_retries=0)
def ask_first(params: dict[str, Any], ctx: TaskContext) -> dict[str, str]:
    """Does nothing, and only if a person wants it."""
    asked = {"site": "esc", "batch_ids": [1, 2, 3]}
    said = ctx.confirmation("May 3 batches be approved at esc?", asked, wait_s=600)
    return {"decision": said.decision}
