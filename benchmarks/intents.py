"""What an intent costs: `memory.write` beside a bare DRF view that writes one row, its replay, and
jobs that wait for a slow flow."""

from __future__ import annotations

import signal
import socket
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.db import connection

from benchmarks.meters import Meters
from benchmarks.report import table
from benchmarks.stack import ROOT, Stack, free_port, uvicorn_line
from taskmapr.stack.children import spawn, stop

AT_ONCE = 50
#: Requests of one turn, and turns of one round. Short ones, taken in turn: the speed of a virtual
#: machine swings within seconds, and what is compared must have had the same.
COUNT = 500
TURNS = 6
_OURS = ("memory.write", "tool on a worker", "replay")
_TEXT = "The violets of number {n} want water on Tuesdays, said the gardener in the long letter."


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One round of requests. `cpu_ms`: of the server, the worker, Redis and Postgres, each
    request."""

    per_s: float
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    failed: int


def main(stack: Stack, *, quick: bool, rounds: int) -> str:
    turns = 1 if quick else rounds * TURNS
    bare_port = free_port()
    _table_make()
    bare = _bare_start(stack, bare_port)
    found: dict[str, list[Load]] = {name: [] for name in ("bare view", *_OURS)}
    urls = {
        "bare view": f"http://127.0.0.1:{bare_port}/rows",
        **dict.fromkeys(_OURS, f"http://127.0.0.1:{stack.ports['web']}/orchestrate"),
    }
    web = {"bare view": bare, **dict.fromkeys(_OURS, stack.processes["web"])}
    try:
        for number in range(-1, turns):  # the first one warms up and does not count
            for name, loads in found.items():
                stack.sign_in()
                first = 0 if name == "replay" else (number + 1) * COUNT
                load = _load(stack, web[name], urls[name], _body(name), first)
                if number >= 0:
                    loads.append(load)
    finally:
        stop(bare, signal.SIGTERM, timeout_s=10)
    return _report(found)


def _report(found: dict[str, list[Load]]) -> str:
    def of(name: str, figure: str) -> float:
        return statistics.median(getattr(load, figure) for load in found[name])

    def times(name: str, other: str, figure: str = "per_s") -> float:
        """As measured one right after the other."""
        return statistics.median(
            getattr(load, figure) / getattr(beside, figure)
            for load, beside in zip(found[name], found[other], strict=True)
        )

    rows = [
        [
            name,
            f"{of(name, 'per_s'):,.0f}",
            f"{times(name, 'bare view'):.2f}",
            f"{of(name, 'p50_ms'):.0f} / {of(name, 'p95_ms'):.0f}",
            f"{of(name, 'cpu_ms'):.2f}",
            sum(load.failed for load in loads),
        ]
        for name, loads in found.items()
    ]
    head = ("request", "requests/s", "x bare", "p50 / p95 ms", "CPU ms each", "failed")
    late = times("memory.write", "bare view", "p95_ms")
    inside, worker = (times("replay", name) for name in ("memory.write", "tool on a worker"))
    goals = (
        f"{len(found['replay'])} x {COUNT} requests, {AT_ONCE} at once; medians. Goals:"
        f" memory.write at least 0.5 x the bare view, its p95 under 4 x ({late:.1f} x); a replay"
        f" at least 3 x a first execution ({worker:.1f} x one on a worker, {inside:.1f} x"
        " memory.write, which needs none)."
    )
    return f"{table(head, rows)}\n\n{goals}"


def _body(name: str) -> dict[str, Any]:
    if name == "bare view":
        return {"text": _TEXT}
    if name == "tool on a worker":
        return {"intent": "my.operation", "inputs": {"param1": "{n}", "param2": 1}}
    # The replayed request is one that was sent before, again and again.
    text = _TEXT if name == "memory.write" else _TEXT.replace("{n}", "0")
    return {"intent": "memory.write", "inputs": {"text": text, "tags": ["letters"]}}


def _load(
    stack: Stack,
    server: subprocess.Popen[bytes],
    url: str,
    body: dict[str, Any],
    first: int,
) -> Load:
    pids = {"server": server.pid, "worker": stack.processes["worker"].pid}
    for name, process in (("postgres", stack.postgres.process), ("redis", stack.redis.process)):
        assert process is not None
        pids[name] = process.pid
    meters = Meters(pids)
    before = sum(meters.cpu_s().values())
    told = stack.hammer(url, body, count=COUNT, at_once=AT_ONCE, first=first)
    used_s = sum(meters.cpu_s().values()) - before
    latencies = sorted(told["latencies_ms"])
    return Load(
        per_s=COUNT / told["took_s"],
        p50_ms=latencies[len(latencies) // 2],
        p95_ms=latencies[len(latencies) * 95 // 100],
        cpu_ms=used_s * 1000 / COUNT,
        failed=COUNT - told["statuses"].get("200", 0),
    )


def _bare_start(stack: Stack, port: int) -> subprocess.Popen[bytes]:
    """The same server program as TaskMapr's, with as little Django as possible."""
    log = (stack.place / "bare.log").open("ab")
    env = {**stack.env, "DJANGO_SETTINGS_MODULE": "benchmarks.bare.settings"}
    line = uvicorn_line("benchmarks.bare.asgi:application", port)
    process = spawn([sys.executable, *line], stdout=log.fileno(), env=env, cwd=ROOT)
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return process
        time.sleep(0.1)
    raise RuntimeError((stack.place / "bare.log").read_text()[-2000:])


def _table_make() -> None:
    from benchmarks.bare.rows import TABLE

    with connection.cursor() as cursor:
        cursor.execute(TABLE)
