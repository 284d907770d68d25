"""Reading a run's log: whatever is lost or doubled on the way, each event comes once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.log.reader import BACKLOG, LogReader, Subscription
from orchestration.log.wire import encode, pack
from orchestration.services.leases import Claim
from taskmapr.core.errors import QueueUnavailable
from taskmapr.core.events import TEXT_DELTA, Event, RunFinished, data_of
from taskmapr.core.ids import uuid7
from taskmapr.core.ports import Parcel
from taskmapr.foundation.aio import in_database
from taskmapr.stack.redis import EmbeddedRedis
from tests.streams.conftest import logs_at, stored

RUN = uuid7()
AT = datetime(2026, 1, 5, tzinfo=UTC)


def log_of(texts: int) -> list[Event]:
    deltas = [Event(RUN, n, TEXT_DELTA, {"text": f"{n}"}, AT) for n in range(1, texts + 1)]
    finished = data_of(RunFinished(status="succeeded", duration_ms=1))
    return [*deltas, Event(RUN, texts + 1, "run.finished", finished, AT)]


def body_of(events: Sequence[Event]) -> bytes:
    return pack(encode(event) for event in events)


class Way:
    """What lies between a writer and one reader: announcements, Redis, Postgres; all may lag."""

    def __init__(self) -> None:
        self.is_up = True
        self.is_sure = True
        self.live: list[bytes] = []
        self.stored: list[Event] = []
        self.asked = 0
        self.subscription = Subscription(RUN)

    async def attach(self, run_id: UUID) -> Subscription:
        return self.subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        assert subscription is self.subscription

    async def read(self, run_id: UUID, after: int) -> list[bytes]:
        if not self.is_up:
            raise QueueUnavailable
        return list(self.live)

    async def last(self, run_ids: Sequence[UUID]) -> list[bytes | None]:
        assert run_ids, "nobody is to be asked about nothing"
        if not self.is_up:
            raise QueueUnavailable
        return [self.live[-1] if self.live and run == RUN else None for run in run_ids]

    async def read_stored(self, run_id: UUID, after: int, sealer: Any) -> list[Event]:
        self.asked += 1
        return [event for event in self.stored if event.seq > after]

    def reader(self) -> LogReader:
        return LogReader(self, self, self.read_stored)  # type: ignore[arg-type]


async def collect(way: Way, after: int = 0, **how: Any) -> list[int]:
    batches = way.reader().follow(RUN, after=after, idle_s=0.005, **how)
    return [event.seq async for batch in batches for event in batch]


@pytest.mark.req("OV-02", "IN-09")
async def test_the_end_is_known_before_postgres_has_it() -> None:
    events, way = log_of(3), Way()
    asked = [uuid7(), RUN]

    assert await way.reader().at_rest([]) == set()
    assert await way.reader().at_rest(asked) == set()
    way.live = [body_of(events[:-1])]
    assert await way.reader().at_rest(asked) == set()
    way.live.append(body_of(events[-1:]))
    assert await way.reader().at_rest(asked) == {RUN}
    way.is_up = False
    assert await way.reader().at_rest(asked) == set()


FATE = st.tuples(
    st.booleans(),  # Redis keeps the parcel
    st.integers(0, 2),  # how often it is announced
    st.integers(0, 3),  # how many events Postgres gets meanwhile
    st.booleans(),  # the reader gets a turn
)


@pytest.mark.req("OV-02", "OV-04", "OV-22")
@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=8),
    fates=st.lists(FATE, min_size=8, max_size=8),
    after=st.integers(0, 10),
)
def test_from_any_cursor_through_any_losses_the_same_tail(
    sizes: list[int], fates: list[Any], after: int
) -> None:
    events = log_of(sum(sizes))
    after = min(after, len(events) - 1)

    async def scenario() -> list[int]:
        way = Way()
        reading = asyncio.create_task(collect(way, after))
        rest = list(events)
        for size, (is_kept, announced, kept, turn) in zip(
            [*sizes, 1], [*fates, FATE_OF_END], strict=False
        ):
            parcel, rest = rest[:size], rest[size:]
            body = body_of(parcel)
            way.live += [body] if is_kept else []
            for _ in range(announced):
                way.subscription.push(body)
            way.stored = events[: min(len(way.stored) + kept, len(events) - len(rest))]
            if turn:
                await asyncio.sleep(0)
        way.stored = events
        async with asyncio.timeout(20):
            return await reading

    assert asyncio.run(scenario()) == list(range(after + 1, len(events) + 1))


FATE_OF_END = (False, 0, 0, True)


@pytest.mark.req("OV-04")
async def test_a_reader_that_fell_far_behind_reads_again_instead_of_piling_up() -> None:
    way = Way()
    events = log_of(3 * BACKLOG)
    batches = way.reader().follow(RUN, known=events[:1], idle_s=5)
    assert [e.seq for e in await anext(batches)] == [1]
    for event in events[1:]:
        way.subscription.push(body_of([event]))
    way.stored = events
    seqs = [e.seq async for batch in batches for e in batch]
    assert seqs == list(range(2, len(events) + 1))


@pytest.mark.req("OV-04")
async def test_a_gap_is_filled_from_the_database_at_once() -> None:
    way = Way()
    events = log_of(3)
    way.stored, way.live = events[:3], [body_of([events[3]])]
    batches = way.reader().follow(RUN, known=events[:1], idle_s=60)
    await anext(batches)
    way.subscription.push(way.live[0])
    async with asyncio.timeout(20):
        assert [e.seq async for batch in batches for e in batch] == [2, 3, 4]


@pytest.mark.req("OV-04")
async def test_while_redis_is_away_the_database_is_asked_once_a_second() -> None:
    way = Way()
    way.is_up = way.is_sure = False
    events = log_of(2)
    way.stored = events[:1]
    batches = way.reader().follow(RUN, idle_s=60)
    loop = asyncio.get_running_loop()
    await anext(batches)
    loop.call_later(0.1, setattr, way, "stored", events)
    way.asked = 0
    async with asyncio.timeout(20):
        assert [e.seq for e in await anext(batches)] == [2, 3]
    assert way.asked <= 3


@pytest.mark.req("OV-23")
async def test_who_was_cancelled_does_not_wait_for_more() -> None:
    """Also when a library has lost the cancellation before."""

    async def reader() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await Subscription(RUN).take(60)

    reading = asyncio.create_task(reader())
    await asyncio.sleep(0)
    reading.cancel()

    done, _ = await asyncio.wait([reading], timeout=10)
    assert done
    assert reading.cancelled()


@pytest.mark.req("OV-18")
async def test_silence_is_reported_as_an_empty_batch() -> None:
    way = Way()
    batches = way.reader().follow(RUN, idle_s=0.02)
    assert await anext(batches) == []
    await batches.aclose()


@pytest.mark.req("OV-04", "OV-64")
async def test_a_process_that_begins_without_redis_follows_it_when_it_comes(
    begin: Callable[[], Claim], tmp_path: Path
) -> None:
    """No reader before it ever reached Redis, so nobody else brings the connection back."""
    claim = await in_database(begin)
    server = EmbeddedRedis(tmp_path, durable=False)
    try:
        async with logs_at(server.url) as logs:
            batches = logs.reader.follow(claim.run_id, idle_s=60)
            assert [e.kind for e in await anext(batches)] == ["run.created"]
            await asyncio.to_thread(server.start)
            async with asyncio.timeout(20):
                while not logs.reader.announcements.is_up:
                    await asyncio.sleep(0.01)
            run = logs.open(claim)
            seen = await anext(batches)
            run.append_delta(TEXT_DELTA, "live")
            async with asyncio.timeout(20):
                while seen[-1].kind != TEXT_DELTA:
                    seen = await anext(batches)
            await batches.aclose()
            await run.barrier()
    finally:
        server.stop()


@pytest.mark.req("OV-04")
async def test_readers_of_many_runs_survive_a_restart_of_redis(
    begin: Callable[[], Claim], tmp_path: Path
) -> None:
    claims = [await in_database(begin) for _ in range(3)]
    server = EmbeddedRedis(tmp_path, durable=False)
    server.start()
    try:
        async with logs_at(server.url) as logs:
            followed = [logs.reader.follow(claim.run_id, idle_s=60) for claim in claims]
            for batches in followed:
                await anext(batches)
            server.stop()
            await asyncio.to_thread(server.start)
            async with asyncio.timeout(20):
                while not logs.reader.announcements.is_up:
                    await asyncio.sleep(0.01)
            for claim, batches in zip(claims, followed, strict=True):
                run = logs.open(claim)
                async with asyncio.timeout(20):
                    assert [e.kind for e in await anext(batches)] == ["run.started"]
                await batches.aclose()
                await run.barrier()
            assert logs.reader.announcements.run_ids == set()
    finally:
        server.stop()


@pytest.mark.req("OV-04")
async def test_what_a_writer_could_not_announce_in_a_restart_of_redis_is_found(
    begin: Callable[[], Claim], tmp_path: Path
) -> None:
    """Only Postgres has it, a moment after its reader looked there, and nothing follows it."""
    claim = await in_database(begin)
    server = EmbeddedRedis(tmp_path, durable=False)
    server.start()

    async def refuse(parcels: Sequence[Parcel]) -> list[bool]:
        raise QueueUnavailable

    try:
        async with logs_at(server.url) as logs:
            batches = logs.reader.follow(claim.run_id, idle_s=60)
            await anext(batches)
            server.stop()
            await asyncio.to_thread(server.start)
            following = asyncio.ensure_future(anext(batches))
            async with asyncio.timeout(20):
                while not logs.reader.announcements.is_up:
                    await asyncio.sleep(0.01)
            logs.transport.append = refuse  # type: ignore[method-assign]
            run = logs.open(claim)
            assert [e.kind for e in await following] == ["run.started"]
            await batches.aclose()
            await run.barrier()
    finally:
        server.stop()


@pytest.mark.req("OV-22")
async def test_every_cursor_of_a_stored_run_gives_its_tail(
    begin: Callable[[], Claim], redis_url: str
) -> None:
    claim = await in_database(begin)
    async with logs_at(redis_url) as logs:
        run = logs.open(claim)
        for n in range(6):
            run.append_delta(TEXT_DELTA, f"{n}")
            await run.barrier()
        whole = await stored(claim.run_id)
        for cursor in range(len(whole)):
            batches = logs.reader.follow(claim.run_id, after=cursor, idle_s=5)
            tail: list[Event] = []
            while len(tail) < len(whole) - cursor:
                tail += await anext(batches)
            await batches.aclose()
            assert [(e.seq, e.data) for e in tail] == [(e.seq, e.data) for e in whole[cursor:]]
