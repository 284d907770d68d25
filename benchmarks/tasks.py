"""What the queue costs: tasks that do nothing, beside bare Celery tasks that write one row and the
same in a durable queue of Postgres.

Workers are stopped (SIGSTOP) while the tasks are put on their queue, so that only carrying them out
is measured.
"""

from __future__ import annotations

import asyncio
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import psutil
from django.db import connection

from benchmarks.meters import Meters
from benchmarks.report import table
from benchmarks.stack import ROOT, Stack
from taskmapr.stack.children import spawn, stop

_TIMEOUT_S = 300.0
#: Tasks one after another whose delay until they begin is measured.
_ONE_BY_ONE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`cpu_ms`: of the worker, Redis and Postgres, each task."""

    per_s: float
    cpu_ms: float


def main(stack: Stack, *, quick: bool, rounds: int) -> str:
    count = 400 if quick else 2_000
    _table_make()
    rates: dict[str, list[Rate]] = {}
    delays: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, target in _TARGETS.items():
            with target(stack) as queue:
                rates.setdefault(name, []).append(queue.rate(count))
                delays.setdefault(name, []).extend(queue.delays())
    return _report(rates, delays, count)


def _report(rates: dict[str, list[Rate]], delays: dict[str, list[float]], count: int) -> str:
    middle = {name: statistics.median(r.per_s for r in found) for name, found in rates.items()}
    celery = middle["Celery"]
    rows = [
        [
            name,
            f"{middle[name]:,.0f}",
            f"{middle[name] / celery:.2f}",
            f"{statistics.median(r.cpu_ms for r in found):.2f}",
            f"{_percentile(delays[name], 50):.1f} / {_percentile(delays[name], 95):.1f}"
            if delays[name]
            else "",
        ]
        for name, found in rates.items()
    ]
    head = ("queue", "tasks/s", "x Celery", "CPU ms per task", "delay to start p50 / p95 ms")
    started = _percentile(delays["TaskMapr"], 50) / _percentile(delays["Celery"], 50)
    durable = middle["TaskMapr"] / middle["procrastinate"]
    ours = middle["TaskMapr"]
    goals = (
        f"{count} tasks. Goals: at least 0.4 x Celery ({ours / celery:.2f});"
        f" more than procrastinate ({durable:.2f} x);"
        f" begins within 3 x Celery's delay ({started:.1f} x)."
    )
    return f"{table(head, rows)}\n\n{goals}"


def _percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


class Queue:
    """One queue with its worker, ready to work."""

    def __init__(self, stack: Stack, worker: subprocess.Popen[bytes]) -> None:
        self.stack, self.worker = stack, worker

    def put(self, count: int) -> None:
        raise NotImplementedError

    def done(self) -> int:
        """Tasks that were carried out since `put`."""
        raise NotImplementedError

    def span_s(self) -> float:
        """From the first beginning to the last end of what was put last."""
        raise NotImplementedError

    def delays(self) -> list[float]:
        """Milliseconds from asking for a task until it begins, of tasks one after another."""
        return []

    def rate(self, count: int) -> Rate:
        self._until_done_with(20)  # what is imported on first use is there
        with self._stopped():
            self.put(count)
            meters = Meters(self._pids())
            before = sum(meters.cpu_s().values())
        self._wait(count)
        used_s = sum(meters.cpu_s().values()) - before
        return Rate(per_s=count / self.span_s(), cpu_ms=used_s * 1000 / count)

    def _until_done_with(self, count: int) -> None:
        self.put(count)
        self._wait(count)

    def _wait(self, count: int) -> None:
        deadline = time.monotonic() + _TIMEOUT_S
        while self.done() < count:
            if time.monotonic() > deadline or self.worker.poll() is not None:
                raise RuntimeError(f"{type(self).__name__}: {self.done()} of {count} tasks done")
            time.sleep(0.1)

    def _pids(self) -> dict[str, int]:
        pids = {"worker": self.worker.pid}
        for name, server in (("postgres", self.stack.postgres), ("redis", self.stack.redis)):
            assert server.process is not None
            pids[name] = server.process.pid
        return pids

    @contextmanager
    def _stopped(self) -> Iterator[None]:
        root = psutil.Process(self.worker.pid)
        tree = [root, *root.children(recursive=True)]
        for process in tree:
            process.send_signal(signal.SIGSTOP)
        yield
        for process in tree:
            process.send_signal(signal.SIGCONT)


class OwnQueue(Queue):
    """Tasks of type `test_task` that do nothing: runs with their logs."""

    _mark = ""

    @cached_property
    def _owner_id(self) -> UUID:
        from taskmapr.users.models import User

        return User.objects.earliest("created_at").pk

    def put(self, count: int) -> None:
        self._mark = f"bench-{time.monotonic_ns()}"
        for _ in range(count):
            _run_start(self._mark, self._owner_id)

    def done(self) -> int:
        return _one(
            "SELECT count(*) FROM agent_runs WHERE request_id = %s AND status = 'succeeded'",
            self._mark,
        )

    def span_s(self) -> float:
        return float(
            _one(
                "SELECT extract(epoch FROM max(finished_at) - min(started_at))"
                " FROM agent_runs WHERE request_id = %s",
                self._mark,
            )
        )

    def delays(self) -> list[float]:
        found = []
        for _ in range(_ONE_BY_ONE):
            asked = time.time()
            self.put(1)
            self._wait(1)
            begun = _one(
                "SELECT extract(epoch FROM e.at) FROM agent_run_events e JOIN agent_runs r"
                " ON r.id = e.run_id WHERE r.request_id = %s AND e.kind = 'run.started'",
                self._mark,
            )
            found.append((float(begun) - asked) * 1000)
        return found


class _RowQueue(Queue):
    _before = 0

    def _rows_before(self) -> None:
        self._before = _one("SELECT coalesce(max(id), 0) FROM bare_rows")

    def done(self) -> int:
        return _one("SELECT count(*) FROM bare_rows WHERE id > %s", self._before)

    def span_s(self) -> float:
        return float(
            _one(
                "SELECT extract(epoch FROM max(at) - min(at)) FROM bare_rows WHERE id > %s",
                self._before,
            )
        )


class CeleryQueue(_RowQueue):
    def put(self, count: int) -> None:
        from benchmarks.bare.sending import app

        self._rows_before()
        for _ in range(count):
            app.send_task("bare.row_write", ["a row"], queue="bare")

    def delays(self) -> list[float]:
        from benchmarks.bare.sending import app

        found = []
        for _ in range(_ONE_BY_ONE):
            self._rows_before()
            app.send_task("bare.begun_write", [time.time()], queue="bare")
            self._wait(1)
            text = _one("SELECT max(text) FROM bare_rows WHERE id > %s", self._before)
            found.append(float(text) * 1000)
        return found


class DurableQueue(_RowQueue):
    def put(self, count: int) -> None:
        from benchmarks.bare.durable import app, write

        self._rows_before()

        async def defer() -> None:
            async with app.open_async():
                for _ in range(count):
                    await write.defer_async(text="a row")

        asyncio.run(defer())


@contextmanager
def _own(stack: Stack) -> Iterator[Queue]:
    yield OwnQueue(stack, stack.processes["worker"])


@contextmanager
def _celery(stack: Stack, *pool: str) -> Iterator[Queue]:
    line = ["-m", "celery", "--quiet", "-A", "benchmarks.bare.celery", "worker", "-l", "WARNING"]
    line += ["-Q", "bare", "--without-mingle", "--without-gossip", *pool]
    with _worker(stack, line, DJANGO_SETTINGS_MODULE="benchmarks.bare.settings") as process:
        yield CeleryQueue(stack, process)


@contextmanager
def _durable(stack: Stack) -> Iterator[Queue]:
    procrastinate = ["-m", "procrastinate", "--app", "benchmarks.bare.durable.app"]
    if not _one("SELECT count(*) FROM pg_tables WHERE tablename = 'procrastinate_jobs'"):
        subprocess.run(
            [sys.executable, *procrastinate, "schema", "--apply"],
            cwd=ROOT,
            env=stack.env,
            check=True,
            capture_output=True,
        )
    line = [*procrastinate, "worker", "--queues", "bare", "--concurrency", "20"]
    with _worker(stack, line) as process:
        yield DurableQueue(stack, process)


@contextmanager
def _worker(stack: Stack, line: list[str], **env: str) -> Iterator[subprocess.Popen[bytes]]:
    log = (stack.place / "bare.log").open("ab")
    process = spawn(
        [sys.executable, *line], stdout=log.fileno(), env={**stack.env, **env}, cwd=ROOT
    )
    try:
        yield process
    finally:
        stop(process, signal.SIGTERM, timeout_s=10)


_TARGETS: dict[str, Callable[[Stack], Any]] = {
    "TaskMapr": _own,
    # As many threads as TaskMapr's worker; processes were slower here.
    "Celery": lambda stack: _celery(stack, "-P", "threads", "-c", "8"),
    "procrastinate": _durable,
}


def _run_start(mark: str, owner_id: UUID) -> None:
    from orchestration.services.run_start import NewRun, run_start
    from taskmapr.core.ids import uuid7

    run_start(
        NewRun(
            run_id=uuid7(),
            kind="task",
            owner_id=owner_id,
            session_id=None,
            input={"params": {"duration_s": 0}, "settings": {"timeout_s": 300, "max_retries": 0}},
            subject="test_task",
            credential=f"user:{owner_id}",
            queue="default",
            priority=5,
            max_attempts=1,
            timeout_s=400,
            request_id=mark,
        )
    )


def _table_make() -> None:
    from benchmarks.bare.rows import TABLE

    with connection.cursor() as cursor:
        cursor.execute(TABLE)


def _one(query: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        (found,) = cursor.fetchone()
    return found
