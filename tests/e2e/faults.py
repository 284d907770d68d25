"""Tools whose jobs stand still at one point of their way, once, so that a test can kill the worker
exactly there.

Imported by the stack's own processes as a module of tools. A job halts where its tool's name says
(`faults.<point>`): a file appears, and its thread or coroutine goes no further. The next attempt
finds the file and passes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import wraps
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from orchestration.execution import executor
from orchestration.log.store import RunBatch
from orchestration.models import Run
from orchestration.services import effects
from taskmapr.core.tools import ToolContext, ToolHandler, tool
from tests.e2e.cast import effects_file, halt_file

#: Before the call is in the log; before it is in the ledger; before and after it changes the world;
#: after its receipt is in the ledger; before and after its end is in the log.
POINTS: Final = ("unlogged", "unledgered", "begun", "done", "settled", "unended", "ended")
#: The same two for a tool that knows its own calls again.
KEYED: Final = ("begun_again", "done_again")


def _is_first_at(point: str) -> bool:
    try:
        halt_file(settings.DATA_DIR, point).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


async def _halt(point: str) -> None:
    if _is_first_at(point):
        await asyncio.Event().wait()


def _halt_thread(point: str) -> None:
    if _is_first_at(point):
        while True:
            time.sleep(60)


# Tools -------------------------------------------------------------------------------------------


def _changing(point: str, *, is_keyed: bool) -> ToolHandler:
    async def change(context: ToolContext, args: dict[str, Any]) -> dict[str, Any]:
        if point.startswith("begun"):
            await _halt(point)
        if not (is_keyed and context.run_id in _effects()):
            with effects_file(settings.DATA_DIR).open("a") as file:
                file.write(f"{context.run_id}\n")
        if point.startswith("done"):
            await _halt(point)
        return {"written": context.run_id}

    return change


def _effects() -> str:
    file = effects_file(settings.DATA_DIR)
    return file.read_text() if file.exists() else ""


for _point in (*POINTS, *KEYED):
    tool(
        f"faults.{_point}",
        summary="Writes a line.",
        input_schema={"type": "object"},
        has_effect=True,
        danger="write",
        timeout_s=300,
        is_idempotent=_point in KEYED,
    )(_changing(_point, is_keyed=_point in KEYED))


# Points between the tools and the stores ---------------------------------------------------------


def _is_job_of(run_id: UUID, point: str) -> bool:
    return Run.objects.filter(pk=run_id, subject=f"faults.{point}").exists()


_begin, _settle, _store = effects.effect_begin, effects.effect_settle, executor.batches_write


@wraps(_begin)
def _halting_begin(**given: Any) -> effects.EffectEntry:
    if given["tool"] == "faults.unledgered":
        _halt_thread("unledgered")
    return _begin(**given)


@wraps(_settle)
def _halting_settle(**given: Any) -> None:
    _settle(**given)
    if _is_job_of(given["run_id"], "settled"):
        _halt_thread("settled")


@wraps(_store)
def _halting_store(batches: Sequence[RunBatch]) -> tuple[set[UUID], list[UUID]]:
    for batch in batches:
        if _begins_call(batch) and _is_job_of(batch.run_id, "unlogged"):
            _halt_thread("unlogged")
        if batch.ending is not None and _is_job_of(batch.run_id, "unended"):
            _halt_thread("unended")
    stored = _store(batches)
    for batch in batches:
        if batch.ending is not None and _is_job_of(batch.run_id, "ended"):
            _halt_thread("ended")
    return stored


def _begins_call(batch: RunBatch) -> bool:
    return any(event.kind == "tool.started" for event in batch.events)


effects.effect_begin = _halting_begin
effects.effect_settle = _halting_settle
executor.batches_write = _halting_store
