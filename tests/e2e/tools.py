"""What the stack's processes know beyond the product: tools whose worker dies, a sealed kind."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from taskmapr.core.run_kinds import RunKind, run_kind_add
from taskmapr.core.tools import ToolContext, tool

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


def effects_file(data_dir: Path) -> Path:
    """One line for each effect that happened."""
    return data_dir / "effects.txt"


def death_file(data_dir: Path, moment: str) -> Path:
    """While it exists, the next call dies at that moment: "before" or "after" its effect."""
    return data_dir / f"die-{moment}"


def _die_if_told(moment: str) -> None:
    order = death_file(settings.DATA_DIR, moment)
    if order.exists():
        order.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


@tool("test.write", summary="Writes a line.", input_schema=_LINE, has_effect=True, danger="write")
async def write(context: ToolContext, args: dict[str, Any]) -> dict[str, Any]:
    _die_if_told("before")
    with effects_file(settings.DATA_DIR).open("a") as file:
        file.write(args["line"] + "\n")
    _die_if_told("after")
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
