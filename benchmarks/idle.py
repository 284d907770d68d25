"""What an open stream costs in memory while the model says nothing."""

from __future__ import annotations

import time

from benchmarks.client import Job
from benchmarks.stack import Stack
from benchmarks.streams import page_body


def memory_per_stream(stack: Stack, count: int) -> dict[str, float]:
    """KiB of resident memory per open silent stream, by process. The stack must be warm."""
    stack.sign_in()
    before = {name: stack.meters.rss_kib(name) for name in ("web", "worker")}
    job = Job(
        port=stack.ports["web"],
        path="/api/taskmapr/orchestrate",
        token=stack.token,
        body=page_body("silent-1"),
        model="silent-1",
        count=count,
        spread_s=count / 50,
        hold_s=1.0,
    )
    stack.say(job)
    opened = stack.hear()
    if opened["failed"]:
        raise RuntimeError(f"{opened['failed']} streams did not open")
    time.sleep(2.0)
    after = {name: stack.meters.rss_kib(name) for name in before}
    stack.say(None)
    stack.hear()
    return {name: (after[name] - before[name]) / count for name in before}
