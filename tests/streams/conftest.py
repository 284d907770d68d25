"""Runs whose log goes through a real Redis and a real PostgreSQL, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from orchestration.adapters.redis_log import RedisLog, RedisLogSync, channel_name
from orchestration.log.lanes import BatchWriter
from orchestration.log.reader import Announcements, LogReader
from orchestration.log.run_writer import RunWriter
from orchestration.log.store import batches_write, events_after
from orchestration.log.wire import unpack
from orchestration.log.writer import LogWriter
from orchestration.selectors.runs import run_events
from orchestration.services.leases import Claim, lease_claim
from orchestration.services.run_start import NewRun, run_start
from taskmapr.core import wired
from taskmapr.core.events import Event, RunStarted
from taskmapr.core.ids import uuid7
from taskmapr.core.run_state import fold
from taskmapr.foundation.aio import in_database
from taskmapr.users.models import User
from tests.fakes import RecordingQueue, RecordingSignals


@pytest.fixture(autouse=True)
def ports(redis_url: str) -> Iterator[wired.Ports]:
    real = wired.ports()
    client = Redis.from_url(redis_url, socket_timeout=2)
    bundle = replace(
        real, queue=RecordingQueue(), signals=RecordingSignals(), log=RedisLogSync(client)
    )
    wired.wire(bundle)
    yield bundle
    wired.wire(real)
    client.close()


@pytest.fixture
def begin(db: None) -> Callable[[], Claim]:
    """A new run of Ada's, held by worker `w1`."""
    ada = User.objects.create_user("ada@example.org", "a long password")

    def held() -> Claim:
        run_id = uuid7()
        run_start(
            NewRun(
                run_id=run_id,
                kind="overlay",
                owner_id=ada.pk,
                session_id=f"s-{run_id}",
                input={"prompt": "Hello"},
                prompt="Hello",
            )
        )
        claim = lease_claim(run_id=run_id, worker_id="w1")
        assert claim is not None
        return claim

    return held


async def write_batches(batches: Any) -> tuple[set[UUID], list[UUID]]:
    return await in_database(batches_write, batches)


async def stored_events(run_id: UUID, after: int, sealer: Any) -> list[Event]:
    return await in_database(run_events, run_id, after, sealer)


@dataclass
class Logs:
    """Both ends of the log on one event loop."""

    transport: RedisLog
    writer: LogWriter
    reader: LogReader
    fenced: list[UUID] = field(default_factory=list)

    def open(self, claim: Claim) -> RunWriter:
        """The run's writer, with `run.started` as its first event."""
        run = self.writer.open(claim.run_id, claim.lease_token, fold(claim.events), claim.sealer)
        run.append(RunStarted(attempt=claim.attempt, worker="w1"))
        return run

    async def live(self, run_id: UUID, after: int = 0) -> list[Event]:
        """What Redis has."""
        bodies = await self.transport.read(run_id, after)
        return [event for body in bodies for event in unpack(run_id, body, None, after)]


@asynccontextmanager
async def logs_at(url: str, store: BatchWriter = write_batches) -> AsyncIterator[Logs]:
    clients = [AsyncRedis.from_url(url, socket_timeout=2, protocol=2) for _ in range(2)]
    transport = RedisLog(clients[0])
    announcements = Announcements(clients[1], channel_name)
    fenced: list[UUID] = []
    writer = LogWriter(transport, store, on_fenced=fenced.append)
    writer.start()
    try:
        reader = LogReader(announcements, transport, stored_events)
        # A guarantee that is broken shows as a wait without end.
        async with asyncio.timeout(20):
            yield Logs(transport, writer, reader, fenced)
    finally:
        async with asyncio.timeout(5):
            await writer.stop()
        await announcements.close()
        await clients[0].aclose()


async def stored(run_id: UUID) -> list[Event]:
    return await in_database(events_after, run_id, 0)
