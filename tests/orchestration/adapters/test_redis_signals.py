"""Signs of life in a real Redis."""

from __future__ import annotations

import orjson
import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from orchestration.adapters.redis_signals import AsyncRedisSignals, RedisSignals
from taskmapr.core.ports import WorkerInfo

WORKER = WorkerInfo(worker_id="w1", running=0, slots=5, host="h", pid=1, queues=("chores",))


@pytest.mark.req("OV-64")
async def test_a_worker_says_which_queues_it_serves(redis_url: str) -> None:
    async with AsyncRedis.from_url(redis_url) as client:
        await AsyncRedisSignals(client, alive_s=10).worker_alive(WORKER)

    with Redis.from_url(redis_url) as client_sync:
        (info,) = RedisSignals(client_sync).workers()

    assert info == WORKER
    assert (info.serves("chores"), info.serves("runs.overlay")) == (True, False)


@pytest.mark.req("OV-64")
@pytest.mark.parametrize("more", [{}, {"queues": None}, {"mood": "good"}])
def test_a_worker_of_another_version_counts_for_every_queue(
    redis_url: str, more: dict[str, object]
) -> None:
    said = {"worker_id": "w1", "running": 0, "slots": 5, "host": "h", "pid": 1, **more}
    with Redis.from_url(redis_url) as client:
        client.sadd("tm:workers", "w1")
        client.set("tm:worker:w1", orjson.dumps(said))

        (info,) = RedisSignals(client).workers()

    assert info.serves("runs.overlay")
