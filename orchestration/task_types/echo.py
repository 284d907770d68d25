"""`test_task`: shows what a task can do, and lets clients try how they take it."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import zlib
from typing import Any, Final

from taskmapr.core.task_types import Permanent, Retryable, TaskContext, task

_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "duration_s": {
            "type": "number",
            "minimum": 0,
            "maximum": 60,
            "description": "Seconds that all steps take together; 1 when left out.",
        },
        "steps": {
            "type": "integer",
            "minimum": 1,
            "maximum": 1000,
            "description": "Each gives a line and a progress; 3 when left out.",
        },
        "fail": {
            "enum": ["none", "retryable", "permanent"],
            "description": "How it ends, after its steps.",
        },
        "succeed_on_attempt": {
            "type": "integer",
            "minimum": 1,
            "description": "Earlier attempts fail and are followed by another one.",
        },
        "screenshot": {"type": "boolean", "description": "Also keep a small picture."},
    },
}


@task(
    "test_task",
    _SCHEMA,
    title="Test task",
    description="Does nothing, step by step, and gives back what it was given.",
    example={"test": True},
)
async def test_task(params: dict[str, Any], ctx: TaskContext) -> dict[str, Any]:
    steps: int = params.get("steps", 3)
    for step in range(1, steps + 1):
        ctx.check_cancelled()
        await asyncio.sleep(params.get("duration_s", 1) / steps)
        text = f"step {step} of {steps}"
        ctx.log("info", text)
        ctx.progress(100 * step // steps, text)
    if params.get("screenshot"):
        ctx.screenshot("test.png", _picture(320, 200), "success")
    _fail(params, ctx.attempt)
    return {
        "echo": params,
        "message": "Test task completed",
        "worker": f"{socket.gethostname()}-{os.getpid()}",
        "attempt": ctx.attempt,
    }


def _fail(params: dict[str, Any], attempt: int) -> None:
    fail, succeeds_on = params.get("fail", "none"), params.get("succeed_on_attempt")
    if fail == "permanent":
        raise Permanent("test_failed", "The test task failed for good, as asked.")
    is_enough = succeeds_on is not None and attempt >= succeeds_on
    if not is_enough and (fail == "retryable" or succeeds_on is not None):
        raise Retryable("The test task failed, as asked.")


def _picture(width: int, height: int) -> bytes:
    """A PNG of one colour."""
    rows = (b"\0" + b"\x2f\x6f\xde" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
