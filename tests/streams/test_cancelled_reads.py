"""A reader that leaves while Redis is slow really leaves."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, cast

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import TimeoutError as RedisTimeout

from orchestration.adapters.redis_log import RedisLog
from taskmapr.core.errors import QueueUnavailable
from taskmapr.core.ids import uuid7
from tests.streams.conftest import logs_at


class _Slow:
    """Makes a time-out of a cancellation, as the client does while it connects."""

    def register_script(self, script: str) -> None: ...

    async def xrange(self, *args: Any, **options: Any) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise RedisTimeout("too slow") from None


@pytest.mark.req("OV-22")
async def test_a_cancelled_read_is_cancelled_whatever_the_client_makes_of_it() -> None:
    log = RedisLog(cast("Redis", _Slow()))
    reading = asyncio.create_task(log.read(uuid7(), 0))
    await asyncio.sleep(0)

    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading


@pytest.mark.req("OV-64")
async def test_a_read_that_takes_too_long_is_told_as_such() -> None:
    class TooSlow(_Slow):
        async def xrange(self, *args: Any, **options: Any) -> None:
            raise RedisTimeout("too slow")

    with pytest.raises(QueueUnavailable):
        await RedisLog(cast("Redis", TooSlow())).read(uuid7(), 0)


@pytest.mark.req("OV-23", "OV-22")
async def test_who_leaves_while_it_subscribes_leaves_nothing_and_disturbs_nobody(
    redis_url: str,
) -> None:
    async with logs_at(redis_url) as logs:
        announcements = logs.reader.announcements
        bystander = await announcements.subscribe(uuid7())
        bystander.is_stale = False  # the first one connects
        connected = announcements._pubsub.connection

        for turns in range(60):
            coming = asyncio.create_task(announcements.subscribe(uuid7()))
            for _ in range(turns % 12):
                await asyncio.sleep(0)
            coming.cancel()
            with suppress(asyncio.CancelledError):
                await announcements.unsubscribe(await coming)

        assert announcements.run_ids == {bystander.run_id}
        assert announcements.is_up
        assert announcements._pubsub.connection is connected
        assert not bystander.is_stale
        with BlockingRedis.from_url(redis_url) as client:
            while len(client.pubsub_channels("tm:live:*")) > 1:
                await asyncio.sleep(0.01)
