"""Jobs that wait for a slow workflow engine, many at once on one worker process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web
from django.db import connection

from benchmarks.report import table
from benchmarks.stack import Stack

WAITING = 200
#: Jobs before the ones that count: what is imported and opened on first use is there then.
_WARM = 20
_TIMEOUT_S = 120.0
#: One that a workflow engine answers without any set-up.
_INTENT = "gmail.triage"


def main(stack: Stack) -> str:
    with _engine(stack.flow_port) as engine:
        engine.release.set()
        _jobs(stack, _WARM, first=0)
        _wait(lambda: _ended() == _WARM, "the first jobs")
        engine.release.clear()
        engine.waiting = 0
        before = stack.meters.rss_kib("worker")
        _jobs(stack, WAITING, first=_WARM)
        _wait(lambda: engine.waiting == WAITING, "the jobs to wait")
        time.sleep(2)
        each = (stack.meters.rss_kib("worker") - before) / WAITING
        engine.release.set()
        begun = time.monotonic()
        _wait(lambda: _ended() == _WARM + WAITING, "the jobs to end")
        took_s = time.monotonic() - begun
    row = [WAITING, f"{each:.0f}", f"{took_s:.1f}"]
    goal = "Goal: 200 at once on one worker process, each under 200 KiB."
    head = ("jobs waiting for a flow at once", "KiB of the worker each", "all ended after s")
    return f"{table(head, [row])}\n\n{goal}"


class _Engine:
    """Answers nobody before `release` is set."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.waiting = 0

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        self.waiting += 1
        while not self.release.is_set():
            await asyncio.sleep(0.05)
        return web.json_response({"ok": True})


@contextmanager
def _engine(port: int) -> Iterator[_Engine]:
    engine, loop = _Engine(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def serve() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", engine.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return runner

    runner = asyncio.run_coroutine_threadsafe(serve(), loop).result(10)
    try:
        yield engine
    finally:
        engine.release.set()
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def _jobs(stack: Stack, count: int, *, first: int) -> None:
    """Begin so many flow jobs, none of which is waited for."""
    stack.sign_in()
    url = f"http://127.0.0.1:{stack.ports['web']}/orchestrate"
    body = {"intent": _INTENT, "inputs": {"since": "{n}"}, "mode": "flow", "async": True}
    statuses = stack.hammer(url, body, count=count, at_once=10, first=first)["statuses"]
    if statuses != {"202": count}:
        raise RuntimeError(f"not accepted: {statuses}")


def _ended() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM agent_runs WHERE subject = %s AND status = 'succeeded'", [_INTENT]
        )
        (count,) = cursor.fetchone()
    return int(count)


def _wait(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited in vain for {what}")
        time.sleep(0.1)
