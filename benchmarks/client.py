"""The readers, in a process of their own: `python -m benchmarks.client` takes jobs line by line.

While the clock runs it only keeps bytes and times; what they mean is read afterwards.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, cast

import orjson
import uvloop

from benchmarks.answers import Answer, answer_of

_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Requests to one server. spread_s: how long it takes until the last one is sent.

    in_turn: each waits for the answer before. hold_s: instead of reading to the end, keep the
    streams open and silent so long, and report when they are.
    """

    port: int
    path: str
    token: str
    body: str
    model: str
    count: int
    spread_s: float = 0.0
    in_turn: bool = False
    timeout_s: float = 120.0
    hold_s: float = 0.0


class Reader(asyncio.Protocol):
    """One request on a connection of its own."""

    def __init__(self, request: bytes) -> None:
        self.received: list[tuple[float, bytes]] = []
        self.began = time.monotonic()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.received.append((time.monotonic(), data))
        if data.endswith(_LAST_CHUNK) or self._is_refusal():
            self._finish()
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish()

    def _is_refusal(self) -> bool:
        """An error has a length instead of a last chunk; its first piece tells enough."""
        return len(self.received) == 1 and b" 200 " not in self.received[0][1][:20]

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


def request_of(job: Job) -> bytes:
    lines = [f"POST {job.path} HTTP/1.1", f"Host: localhost:{job.port}"]
    lines += ["Accept: text/event-stream", "Content-Type: application/json"]
    lines += [f"Authorization: Bearer {job.token}"] if job.token else []
    body = job.body.encode()
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


async def play(job: Job) -> tuple[list[Reader], float]:
    """All readers, read to their end, and how long that took."""
    loop, request = asyncio.get_running_loop(), request_of(job)
    began = time.monotonic()
    readers: list[Reader] = []

    async def one(number: int) -> None:
        if not job.in_turn:
            await asyncio.sleep(job.spread_s * number / job.count)
        reader = Reader(request)
        readers.append(reader)
        await loop.create_connection(lambda: reader, "127.0.0.1", job.port)
        if not job.hold_s:
            await asyncio.wait([reader.done], timeout=job.timeout_s)

    if job.in_turn:
        for number in range(job.count):
            await one(number)
            await asyncio.sleep(0.02)
    else:
        await asyncio.gather(*(one(number) for number in range(job.count)))
    ended = max((r.received[-1][0] for r in readers if r.received), default=time.monotonic())
    return readers, ended - began


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))] if ordered else 0.0


def report(job: Job, answers: list[Answer], took_s: float) -> dict[str, Any]:
    """Figures of one job, in milliseconds where not said otherwise."""
    whole = [a for a in answers if not a.fault]
    is_clocked = job.model.startswith("clock-")
    count = int(job.model.partition("-")[2].partition("x")[0])
    late = [s * 1000 for a in whole for s in a.lateness_s()] if is_clocked else []
    first = [a.first_s * 1000 for a in whole]
    silence = [(b - a) * 1000 for w in whole for (a, _), (b, _) in pairwise(w.texts)]
    return {
        "first_p50": percentile(first, 0.5),
        "first_p95": percentile(first, 0.95),
        "late_p50": percentile(late, 0.5),
        "late_p95": percentile(late, 0.95),
        "gap_max": max(silence, default=0.0),
        "took_s": took_s,
        "tokens_per_s": len(whole) * count / took_s,
        "frames_per_run": sum(len(a.texts) for a in whole) / max(1, len(whole)),
        "failed": len(answers) - len(whole),
        "faults": sorted({a.fault[:300] for a in answers if a.fault})[:3],
        "run_ids": [str(a.run_id) for a in whole if a.run_id],
    }


async def hold(job: Job) -> None:
    """Opens the streams, says so, keeps them until told to go on."""
    readers, _ = await play(job)
    deadline = time.monotonic() + job.timeout_s
    while any(not _has_text(r) for r in readers) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    failed = sum(not _has_text(r) for r in readers)
    say({"open": len(readers) - failed, "failed": failed})
    await asyncio.to_thread(sys.stdin.readline)
    for reader in readers:
        reader.transport.close()
    say({"closed": len(readers)})


def _has_text(reader: Reader) -> bool:
    return any(b"delta" in data for _, data in reader.received)


def say(what: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(what).decode() + "\n")
    sys.stdout.flush()


async def main() -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        job = Job(**orjson.loads(line))
        if job.hold_s:
            await hold(job)
            continue
        gc.collect()
        gc.disable()
        readers, took_s = await play(job)
        gc.enable()
        is_direct = job.path.endswith("/chat/completions")
        answers = [
            answer_of(r.received, began=r.began, model=job.model, is_direct=is_direct)
            for r in readers
        ]
        say(report(job, answers, took_s))


def job_line(job: Job) -> bytes:
    return orjson.dumps(asdict(job)) + b"\n"


if __name__ == "__main__":
    uvloop.run(main())
