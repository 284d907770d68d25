"""How many event rows per second one writer brings into Redis and Postgres.

`python -m benchmarks.rows` prints one JSON object; the stack's variables say where the servers are.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import django
import orjson
import uvloop

if TYPE_CHECKING:
    from orchestration.services.leases import Claim

_RUNS: Final = 100
#: Rows that may wait for Postgres: what is measured is the flow, not the size of a buffer.
_BACKLOG: Final = 5_000
_TEXT: Final = "what I found on this page. "


async def main(seconds: float) -> dict[str, Any]:
    """Runs append one event each in turn, which no writer joins, for so many seconds."""
    from django.conf import settings
    from redis.asyncio import Redis

    from orchestration.adapters.redis_log import RedisLog
    from orchestration.log.store import batches_write
    from orchestration.log.writer import LogWriter
    from taskmapr.core.events import RunStarted, TextDelta
    from taskmapr.core.run_state import fold
    from taskmapr.foundation.aio import in_database

    live = RedisLog(Redis.from_url(settings.REDIS_URL, protocol=2))
    log = LogWriter(live, partial(in_database, batches_write))
    log.start()
    claims = await in_database(_claims)
    writers = [log.open(c.run_id, c.lease_token, fold(c.events)) for c in claims]
    for writer in writers:
        writer.append(RunStarted(attempt=1, worker="benchmark"))
    began, cpu = time.monotonic(), time.process_time()
    while time.monotonic() - began < seconds:
        for writer in writers:
            writer.append(TextDelta(text=_TEXT))
        await asyncio.sleep(0)
        while sum(writer.unstored_rows for writer in writers) > _BACKLOG:
            await asyncio.sleep(0.001)
    await asyncio.gather(*(writer.barrier() for writer in writers))
    took_s, used_s = time.monotonic() - began, time.process_time() - cpu
    rows = sum(writer.state.seq - 1 for writer in writers)
    await log.stop()
    return {"rows": rows, "rows_per_s": rows / took_s, "cpu_us_per_row": used_s * 1e6 / rows}


class _NoQueue:
    """Keeps the stack's worker from taking the runs of this process."""

    def enqueue(self, job: str, *args: Any, queue: str, priority: int = 9) -> None:
        return

    def take(self, job: str, *, queue: str, most: int) -> list[list[Any]]:
        return []


def _claims() -> list[Claim]:
    from orchestration.services.leases import lease_claim
    from orchestration.services.run_start import NewRun, run_start
    from taskmapr.core import wired
    from taskmapr.core.ids import uuid7
    from taskmapr.users.models import User

    wired.wire(replace(wired.ports(), queue=_NoQueue()))
    owner_id = User.objects.earliest("pk").pk
    ids = [uuid7() for _ in range(_RUNS)]
    for run_id in ids:
        run_start(
            NewRun(run_id=run_id, kind="overlay", owner_id=owner_id, session_id=None, input={})
        )
    claims = [lease_claim(run_id=run_id, worker_id="benchmark") for run_id in ids]
    return [claim for claim in claims if claim is not None]


if __name__ == "__main__":
    django.setup()
    print(orjson.dumps(uvloop.run(main(float(sys.argv[1])))).decode())
