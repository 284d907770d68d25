"""A reader that leaves while Redis is slow really leaves."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import TimeoutError as RedisTimeout

from orchestration.adapters.redis_log import RedisLog
from taskmapr.core.errors import QueueUnavailable
from taskmapr.core.ids import uuid7


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
