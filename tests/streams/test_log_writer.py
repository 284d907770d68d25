"""Writing a run's log: joined, stored, fenced, and never held up by a neighbour."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from orchestration.log.unheld import run_take_unheld
from orchestration.models import Run
from orchestration.services.leases import Claim
from taskmapr.core.errors import DatabaseUnavailable, LeaseLost
from taskmapr.core.events import TEXT_DELTA, ToolCompleted, ToolStarted
from taskmapr.core.run_state import fold
from taskmapr.foundation.aio import in_database
from tests.streams.conftest import logs_at, stored, write_batches

Begin = Callable[[], Claim]


@pytest.mark.req("OV-02", "OV-03")
async def test_text_that_waits_together_is_one_event_in_both_stores(
    begin: Begin, redis_url: str
) -> None:
    claim = await in_database(begin)
    async with logs_at(redis_url) as logs:
        run = logs.open(claim)
        for n in range(40):
            run.append_delta(TEXT_DELTA, f"{n} ")
        await run.barrier()
        run.append_delta(TEXT_DELTA, "end")
        await run.barrier()
        events = await stored(claim.run_id)
        assert [e.kind for e in events] == ["run.created", "run.started", TEXT_DELTA, TEXT_DELTA]
        assert events[2].data["text"] == "".join(f"{n} " for n in range(40))
        live = await logs.live(claim.run_id)
        assert [(e.seq, e.kind, e.data) for e in live] == [
            (e.seq, e.kind, e.data) for e in events[1:]
        ]
        assert fold(events) == run.state


@pytest.mark.req("OV-02")
async def test_fenced_off_in_redis_it_says_nothing_more(begin: Begin, redis_url: str) -> None:
    claim = await in_database(begin)
    async with logs_at(redis_url) as logs:
        run = logs.open(claim)
        await run.barrier()
        # Each of the two stores answers in its own time: a barrier waits for Postgres alone.
        async with asyncio.timeout(10):
            while not (before := await logs.live(claim.run_id)):
                await asyncio.sleep(0.01)
        await logs.transport.fence(claim.run_id, claim.lease_token + 1)
        run.append_delta(TEXT_DELTA, "too late")
        async with asyncio.timeout(10):
            while not logs.fenced:
                await asyncio.sleep(0.01)
        with pytest.raises(LeaseLost):
            await run.barrier()
        with pytest.raises(LeaseLost):
            run.append_delta(TEXT_DELTA, "later still")
        assert await logs.live(claim.run_id) == before
        assert logs.fenced == [claim.run_id]


@pytest.mark.req("OV-02")
async def test_fenced_off_in_the_database_it_stores_nothing_more(
    begin: Begin, redis_url: str
) -> None:
    claim, neighbour = await in_database(begin), await in_database(begin)
    async with logs_at(redis_url) as logs:
        run, other = logs.open(claim), logs.open(neighbour)
        await run.barrier()
        before = await stored(claim.run_id)
        taken = Run.objects.filter(pk=claim.run_id)
        await in_database(lambda: taken.update(lease_token=claim.lease_token + 1))
        run.append_delta(TEXT_DELTA, "too late")
        other.append_delta(TEXT_DELTA, "in time")
        with pytest.raises(LeaseLost):
            await run.barrier()
        await other.barrier()
        assert await stored(claim.run_id) == before
        assert (await stored(neighbour.run_id))[-1].data == {"text": "in time"}
        assert logs.fenced == [claim.run_id]


@pytest.mark.req("OV-02", "OV-65")
async def test_who_takes_a_left_run_keeps_what_readers_saw_and_fences_the_writer(
    begin: Begin, redis_url: str
) -> None:
    claim = await in_database(begin)

    async def never(batches: Any) -> Any:
        raise DatabaseUnavailable

    def take() -> list[str]:
        Run.objects.filter(pk=claim.run_id).update(lease_expires_at="2020-01-01T00:00:00Z")
        return [event.kind for event in run_take_unheld(claim.run_id).events]

    async with logs_at(redis_url, never) as logs:
        run = logs.open(claim)
        run.append_delta(TEXT_DELTA, "seen")
        while len(await logs.live(claim.run_id)) < 2:
            await asyncio.sleep(0.01)
        assert await in_database(take) == ["run.created", "run.started", TEXT_DELTA]
        assert [e.seq for e in await stored(claim.run_id)] == [1, 2, 3]
        run.append_delta(TEXT_DELTA, "too late")
        with pytest.raises(LeaseLost):
            await run.barrier()
        assert len(await logs.live(claim.run_id)) == 2


@pytest.mark.req("OV-02", "OV-63")
@pytest.mark.parametrize("took_it", [True, False])
async def test_a_database_that_was_away_gets_each_event_once(
    begin: Begin, redis_url: str, took_it: bool
) -> None:
    """Also when it took the batch and only its answer was lost."""
    claim = await in_database(begin)
    calls = 0

    async def unlucky(batches: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            if took_it:
                await write_batches(batches)
            raise DatabaseUnavailable
        return await write_batches(batches)

    async with logs_at(redis_url, unlucky) as logs:
        run = logs.open(claim)
        run.append_delta(TEXT_DELTA, "one ")
        await run.barrier()
        run.append_delta(TEXT_DELTA, "two")
        await run.barrier()
    events = await stored(claim.run_id)
    assert [e.seq for e in events] == [1, 2, 3, 4]
    assert "".join(e.data["text"] for e in events[2:]) == "one two"
    assert calls == 3


async def test_a_run_that_cannot_be_stored_does_not_hold_up_its_neighbour(
    begin: Begin, redis_url: str
) -> None:
    claim, neighbour = await in_database(begin), await in_database(begin)

    async def choosy(batches: Any) -> Any:
        if any(batch.run_id == claim.run_id for batch in batches):
            raise ValueError("no")
        return await write_batches(batches)

    async with logs_at(redis_url, choosy) as logs:
        run, other = logs.open(claim), logs.open(neighbour)
        other.append_delta(TEXT_DELTA, "fine")
        await other.barrier()
        with pytest.raises(LeaseLost):
            await run.barrier()
        assert logs.fenced == [claim.run_id]
    assert (await stored(neighbour.run_id))[-1].data == {"text": "fine"}


async def test_what_no_store_takes_is_made_fit(begin: Begin, redis_url: str) -> None:
    claim = await in_database(begin)
    odd = {"nul": "a\x00b", "half": "c\ud800d", "set": {1}, "huge": 10**30, 5: float("nan")}
    async with logs_at(redis_url) as logs:
        run = logs.open(claim)
        run.append_delta(TEXT_DELTA, "x\x00y")
        run.append_delta(TEXT_DELTA, "\x00")
        run.append(ToolStarted(call_id="c", tool="t.t"))
        run.append(ToolCompleted(call_id="c", tool="t.t", ok=True, duration_ms=1, result=odd))
        await run.barrier()
        live = await logs.live(claim.run_id, after=1)
    events = await stored(claim.run_id)
    assert events[2].data == {"text": "xy"}
    result = events[-1].data["result"]
    assert (result["nul"], result["half"], result["5"]) == ("ab", "cd", None)
    assert [dict(e.data) for e in live] == [dict(e.data) for e in events[1:]]


@pytest.mark.req("OV-04", "OV-64")
async def test_without_redis_the_log_goes_on_in_the_database(begin: Begin) -> None:
    claim = await in_database(begin)
    async with logs_at("unix:///nonexistent/redis.sock") as logs:
        run = logs.open(claim)
        run.append_delta(TEXT_DELTA, "stored")
        await run.barrier()
        assert not logs.writer.live_is_up
    assert [e.seq for e in await stored(claim.run_id)] == [1, 2, 3]


async def test_two_runs_do_not_mix(begin: Begin, redis_url: str) -> None:
    claims = [await in_database(begin) for _ in range(5)]
    async with logs_at(redis_url) as logs:
        runs = [logs.open(claim) for claim in claims]
        for n in range(60):
            runs[n % 5].append_delta(TEXT_DELTA, f"{n % 5}")
        for run in runs:
            await run.barrier()
    for n, claim in enumerate(claims):
        text = "".join(e.data.get("text", "") for e in await stored(claim.run_id))
        assert text == str(n) * 12
