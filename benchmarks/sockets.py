"""A thousand followers of tasks on one web process: what they hear, how late, and what they cost.

This process writes the events (through the log writer of workers) and reads the sockets, so what is
late includes the time that it needs itself.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
import websockets
from django.conf import settings
from django.db.models.functions import Now
from redis.asyncio import Redis

from benchmarks.client import percentile
from benchmarks.report import table
from benchmarks.stack import Stack
from orchestration.adapters.redis_log import RedisLog
from orchestration.log.endings import Totals, Verdict, ending_of, last_events
from orchestration.log.run_writer import RunWriter
from orchestration.log.store import batches_write
from orchestration.log.transcript import Transcript
from orchestration.log.writer import LogWriter
from orchestration.models import Run
from orchestration.services.leases import Claim, lease_claim
from orchestration.services.run_start import NewRun, run_start
from taskmapr.core.events import LogWritten, RunFinished, RunStarted
from taskmapr.core.ids import uuid7
from taskmapr.core.run_state import fold
from taskmapr.foundation.aio import in_database
from taskmapr.users.models import User

_EVENTS_PER_S: Final = 200
#: Handshakes under way at once.
_OPENING: Final = 25


@dataclass(slots=True)
class Heard:
    """What all followers heard."""

    late_ms: list[float] = field(default_factory=list)
    results: int = 0
    #: Close codes other than 1000, and what was lost or came twice.
    faults: list[str] = field(default_factory=list)


def main(stack: Stack, *, quick: bool) -> str:
    count, seconds = (200, 3) if quick else (1_000, 15)
    stack.sign_in()
    owner = User.objects.get(email="ada@example.org")
    claims = [_task(owner.pk) for _ in range(count)]
    heard = Heard()
    memory_kib, took_s = asyncio.run(_play(stack, claims, heard, seconds))
    figures = {
        "followers": f"{count:,}",
        "results heard": f"{heard.results:,}",
        "faults": str(len(heard.faults)) + (f" ({heard.faults[0]})" if heard.faults else ""),
        "late p50 / p95 / max ms": " / ".join(
            f"{percentile(heard.late_ms, share):.1f}" for share in (0.5, 0.95, 1.0)
        ),
        "events per s": f"{len(heard.late_ms) / took_s:.0f}",
        "memory per idle socket, KiB": f"{memory_kib:.0f}",
    }
    return table(["figure", "value"], [[name, value] for name, value in figures.items()])


def _task(owner_id: UUID) -> Claim:
    """A task that this process holds; it is due tomorrow, so no worker is told of it."""
    new = NewRun(
        run_id=uuid7(),
        kind="task",
        owner_id=owner_id,
        session_id=None,
        input={"params": {}},
        subject="test_task",
        due_at=datetime.now(UTC) + timedelta(days=1),
    )
    run_start(new)
    # As if a worker had been told.
    Run.objects.filter(pk=new.run_id).update(enqueued_at=Now(), due_at=None)
    claim = lease_claim(run_id=new.run_id, worker_id="bench")
    if claim is None:
        raise RuntimeError("a task could not be held")
    return claim


async def _play(
    stack: Stack, claims: list[Claim], heard: Heard, seconds: int
) -> tuple[float, float]:
    """KiB per idle socket, and for how many seconds events were written."""
    writer = LogWriter(
        RedisLog(Redis.from_url(settings.REDIS_URL, protocol=2)), _write, on_fenced=lambda _: None
    )
    writer.start()
    before = stack.meters.rss_kib("web")
    turn = asyncio.Semaphore(_OPENING)
    opened: list[asyncio.Future[None]] = []
    readers = []
    for claim in claims:
        is_open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        opened.append(is_open)
        readers.append(asyncio.create_task(_follow(stack, claim.run_id, heard, turn, is_open)))
    await asyncio.gather(*opened)
    await asyncio.sleep(2)
    memory_kib = (stack.meters.rss_kib("web") - before) / len(claims)
    began = time.monotonic()
    await _write_events(writer, claims, seconds)
    took_s = time.monotonic() - began
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            await asyncio.gather(*readers)
    for reader in readers:
        reader.cancel()
    await writer.stop()
    return memory_kib, took_s


async def _write_events(writer: LogWriter, claims: list[Claim], seconds: int) -> None:
    """One line after another, at an even pace, to one task after another; then all end."""
    runs = [(claim, _opened(writer, claim)) for claim in claims]
    began = time.monotonic()
    for number in range(_EVENTS_PER_S * seconds):
        await asyncio.sleep(max(0.0, began + number / _EVENTS_PER_S - time.monotonic()))
        _, run = runs[number % len(runs)]
        run.append(LogWritten(level="info", text=str(time.time())))
    await asyncio.gather(*(_end(claim, run) for claim, run in runs))


def _opened(writer: LogWriter, claim: Claim) -> RunWriter:
    run = writer.open(claim.run_id, claim.lease_token, fold(claim.events), claim.sealer)
    run.append(RunStarted(attempt=claim.attempt, worker="bench"))
    return run


async def _end(claim: Claim, run: RunWriter) -> None:
    verdict, totals = Verdict(), Totals(model="", started_at=datetime.now(UTC))
    last = last_events(run.state, verdict, totals)
    finished = last[-1]
    assert isinstance(finished, RunFinished)
    ending = ending_of(
        finished,
        verdict=verdict,
        totals=totals,
        transcript=Transcript(claim.events),
        session_id=None,
        sealer=None,
    )
    await run.close(last, ending)


async def _follow(
    stack: Stack,
    run_id: UUID,
    heard: Heard,
    turn: asyncio.Semaphore,
    is_open: asyncio.Future[None],
) -> None:
    address = f"ws://127.0.0.1:{stack.ports['web']}/ws/task/{run_id}"
    headers = {"Authorization": f"Bearer {stack.token}"}
    async with turn:
        socket = await websockets.connect(
            address, additional_headers=headers, open_timeout=60, ping_interval=None
        )
        first = orjson.loads(await socket.recv())
    is_open.set_result(None)
    seq, result = first["seq"], None
    with suppress(websockets.ConnectionClosedError):  # any code but 1000
        async for text in socket:
            now, message = time.time(), orjson.loads(text)
            if message["type"] == "log":
                heard.late_ms.append((now - float(message["data"]["message"])) * 1000)
            if message["type"] in {"log", "status"} and message["seq"] <= seq:
                heard.faults.append(f"{message['type']} {message['seq']} after {seq}")
            seq = message["seq"]
            result = message if message["type"] == "result" else result
    if result is not None:
        heard.results += 1
    if socket.close_code != 1000:
        heard.faults.append(f"closed with {socket.close_code}")


async def _write(batches: Any) -> tuple[set[UUID], list[UUID]]:
    return await in_database(batches_write, batches)
