"""Types whose tasks get a process of their own; imported there as a module of tools."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from taskmapr.core.task_types import Retryable, TaskContext, TaskInterrupted, task

Params = dict[str, Any]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@task("child.speaks", queue="browser")
def speaks(params: Params, ctx: TaskContext) -> Any:
    ctx.log("info", "first")
    ctx.screenshot("page.png", PNG, "success")
    ctx.effect_begin("change")
    ctx.partial({"done": 1})
    ctx.log("info", "last")
    return {"pid": os.getpid(), "session": os.getsid(0), "attempt": ctx.attempt}


@task("child.asks", queue="browser")
def asks(params: Params, ctx: TaskContext) -> Any:
    said = ctx.confirmation("May it?", {"n": 1}, wait_s=60)
    return {"decision": said.decision, "by": said.by, "has_asked": ctx.has_asked}


@task("child.async", queue="long")
async def on_a_loop(params: Params, ctx: TaskContext) -> Any:
    await asyncio.to_thread(ctx.effect_begin, "change")
    await asyncio.sleep(params.get("sleep_s", 0))
    return os.getpid()


@task("child.fails", queue="long", max_retries=1)
def fails(params: Params, ctx: TaskContext) -> Any:
    match params["how"]:
        case "retryable":
            raise Retryable("again", after_s=0.01)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
    raise ValueError("seven")


@task("child.polite", queue="long", timeout_s=0.3)
def polite(params: Params, ctx: TaskContext) -> Any:
    try:
        while True:
            ctx.check_cancelled()
            time.sleep(0.01)
    except TaskInterrupted as stop:
        ctx.screenshot("last.png", PNG, "error")
        ctx.log("info", stop.why)
        raise


@task("child.deaf", queue="long", timeout_s=120, is_idempotent=False)
def deaf(params: Params, ctx: TaskContext) -> Any:
    """Starts a program in a group of its own, as browsers do, and listens to nobody."""
    threading.Thread(target=time.sleep, args=(600,)).start()
    started = subprocess.Popen(["sleep", "600"], process_group=0)
    Path(params["file"]).write_text(f"{os.getpid()} {started.pid}")
    ctx.effect_begin("start")
    ctx.partial({"started": started.pid})
    time.sleep(600)


@task("child.forgets", queue="long")
def forgets(params: Params, ctx: TaskContext) -> Any:
    """Leaves a program and a thread behind."""
    threading.Thread(target=time.sleep, args=(600,)).start()
    return subprocess.Popen(["sleep", "600"], process_group=0).pid


TYPES = (speaks, asks, on_a_loop, fails, polite, deaf, forgets)
