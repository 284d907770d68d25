from __future__ import annotations

import asyncio
from typing import Any

import pytest

from taskmapr.core.errors import CircuitOpen, ModelAuthFailed, NotFound, TimedOut, UpstreamError
from taskmapr.foundation.http import breakers
from taskmapr.foundation.http.breaker_settings import Limits, limits_read_by
from taskmapr.foundation.http.breaker_states import circuit_reset, circuits_now
from taskmapr.foundation.http.breakers import circuit
from tests.circuits import own_circuits, state_of

__all__ = ["own_circuits"]

pytestmark = pytest.mark.usefixtures("own_circuits")

SERVICE = "flow:n8n"


def limits(**changes: Any) -> None:
    limits_read_by(lambda: {SERVICE: Limits(**changes)})


async def call(error: BaseException | None = None, **options: Any) -> None:
    async with circuit(SERVICE, **options):
        if error is not None:
            raise error


async def fail(times: int) -> None:
    for _ in range(times):
        with pytest.raises(UpstreamError):
            await call(UpstreamError())


async def until_a_probe_may_go() -> None:
    """Waits for the circuit's pause, which Redis' clock measures."""
    async with asyncio.timeout(10):
        while True:
            try:
                await call()
            except CircuitOpen:
                await asyncio.sleep(0.01)
            else:
                return


@pytest.mark.req("IN-31")
async def test_opens_after_five_failures_and_refuses_without_calling() -> None:
    await fail(4)
    await call()
    assert state_of(SERVICE) == "closed"

    await fail(1)

    assert state_of(SERVICE) == "open"
    with pytest.raises(CircuitOpen) as refused:
        await call(AssertionError("it was called"))
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 30
    assert refused.value.status == 503


@pytest.mark.req("IN-31")
async def test_failures_count_for_a_while_only() -> None:
    limits(failures=2, window_s=0.05)
    await fail(1)
    async with asyncio.timeout(10):
        while circuits_now()[0].failures:
            await asyncio.sleep(0.01)

    await fail(1)

    assert state_of(SERVICE) == "closed"


@pytest.mark.req("IN-31")
async def test_one_call_at_a_time_tries_a_service_that_is_half_open() -> None:
    limits(failures=1, open_s=0.1, successes=2)
    await fail(1)
    await until_a_probe_may_go()
    assert state_of(SERVICE) == "half_open"
    entered, release, calls = asyncio.Event(), asyncio.Event(), []

    async def probe() -> None:
        async with circuit(SERVICE):
            calls.append(1)
            entered.set()
            await release.wait()

    probing = asyncio.ensure_future(probe())
    await entered.wait()
    others = await asyncio.gather(*(probe() for _ in range(20)), return_exceptions=True)
    release.set()
    await probing

    assert [type(other) for other in others] == [CircuitOpen] * 20
    assert len(calls) == 1
    assert state_of(SERVICE) == "closed"


@pytest.mark.req("IN-31")
async def test_a_failed_probe_opens_it_anew() -> None:
    limits(failures=1, open_s=0.1)
    await fail(1)
    await until_a_probe_may_go()

    await fail(1)

    assert state_of(SERVICE) == "open"
    with pytest.raises(CircuitOpen):
        await call()


@pytest.mark.req("IN-31")
@pytest.mark.parametrize("error", [NotFound(), ModelAuthFailed()])
async def test_mistakes_of_a_request_do_not_count(error: Exception) -> None:
    for _ in range(10):
        with pytest.raises(type(error)):
            await call(error)

    assert circuits_now() == []


@pytest.mark.req("IN-31")
async def test_what_fails_without_raising_counts_when_it_says_so() -> None:
    for _ in range(5):
        async with circuit(SERVICE) as guarded:
            guarded.failed()

    assert state_of(SERVICE) == "open"


async def test_timeouts_and_broken_connections_count() -> None:
    for error in (TimedOut(), ConnectionResetError(), TimeoutError(), OSError(), UpstreamError()):
        with pytest.raises(type(error)):
            await call(error)

    assert state_of(SERVICE) == "open"


async def test_a_cancelled_probe_leaves_its_place_to_the_next() -> None:
    limits(failures=1, open_s=0.1, successes=2)
    await fail(1)
    await until_a_probe_may_go()
    entered = asyncio.Event()

    async def hang() -> None:
        async with circuit(SERVICE, within_s=600):
            entered.set()
            await asyncio.Event().wait()

    hanging = asyncio.ensure_future(hang())
    await entered.wait()
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging

    await call()

    assert state_of(SERVICE) == "closed"


async def test_a_call_from_before_does_not_decide_over_a_half_open_circuit() -> None:
    limits(failures=1, open_s=0.1, successes=2)

    async def call_of_before() -> None:
        async with circuit(SERVICE):
            await fail(1)
            await until_a_probe_may_go()
            raise UpstreamError

    with pytest.raises(UpstreamError):
        await call_of_before()

    assert state_of(SERVICE) == "half_open"


async def test_processes_share_what_they_know_and_each_service_has_its_own() -> None:
    await fail(5)

    async with circuit("flow:activepieces"):
        pass
    breakers.forget()
    with pytest.raises(CircuitOpen):
        await call()


@pytest.mark.req("IN-31")
async def test_operators_close_a_circuit() -> None:
    await fail(5)

    circuit_reset(SERVICE)

    await call()
    assert state_of(SERVICE) == "closed"


async def test_a_closed_circuit_is_believed_for_as_long_as_one_asked() -> None:
    await call(remembers_s=60)
    await fail(5)

    with pytest.raises(CircuitOpen):
        await call(remembers_s=60)


@pytest.mark.req("IN-31")
async def test_lets_everything_through_while_redis_is_away(settings: Any) -> None:
    await fail(5)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    await call()
    await fail(6)
    await call()


async def test_healthy_services_leave_nothing_behind(redis_url: str) -> None:
    import redis

    for _ in range(3):
        await call()

    with redis.Redis.from_url(redis_url) as client:
        assert client.keys("taskmapr:circuit*") == []
