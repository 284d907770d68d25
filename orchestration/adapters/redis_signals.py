"""Bells for workers, signs of life of workers, marks of readers: all in Redis, all short-lived."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import orjson
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from orchestration.adapters.celery_queue import list_names
from taskmapr.core.errors import QueueUnavailable
from taskmapr.core.ports import WorkerInfo

logger = logging.getLogger(__name__)

_WORKERS: Final = "tm:workers"


def _bell(worker_id: str) -> str:
    return f"tm:bell:{worker_id}"


def _worker(worker_id: str) -> str:
    return f"tm:worker:{worker_id}"


def _readers(run_id: UUID) -> str:
    return f"tm:readers:{run_id}"


def _info(said: dict[str, Any]) -> WorkerInfo:
    """Workers of other versions may say less of themselves, or more."""
    queues = said.get("queues")
    return WorkerInfo(
        worker_id=said["worker_id"],
        running=said["running"],
        slots=said["slots"],
        host=said["host"],
        pid=said["pid"],
        queues=None if queues is None else tuple(queues),
    )


class RedisSignals:
    """Signals for services."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def ring(self, worker_id: str, run_id: UUID) -> None:
        try:
            self._client.publish(_bell(worker_id), str(run_id))
        except (RedisError, OSError) as error:
            logger.warning("bell of %s not rung, it will look by itself: %s", worker_id, error)

    def workers(self) -> list[WorkerInfo]:
        try:
            names = [name.decode() for name in self._client.smembers(_WORKERS)]  # type: ignore[union-attr]
            said = self._client.mget([_worker(name) for name in names]) if names else []
        except (RedisError, OSError) as error:
            raise QueueUnavailable from error
        alive = [_info(orjson.loads(body)) for body in said if body]
        return sorted(alive, key=lambda info: info.worker_id)

    def queue_depths(self, queues: Sequence[str]) -> dict[str, int]:
        pipe = self._client.pipeline(transaction=False)
        lists = [(queue, name) for queue in queues for name in list_names(queue)]
        for _, name in lists:
            pipe.llen(name)
        depths = dict.fromkeys(queues, 0)
        try:
            for (queue, _), length in zip(lists, pipe.execute(), strict=True):
                depths[queue] += length
        except (RedisError, OSError) as error:
            raise QueueUnavailable from error
        return depths


class AsyncRedisSignals:
    """Signals for event loops. A worker's sign of life holds for `alive_s` seconds."""

    def __init__(self, client: AsyncRedis, *, alive_s: float) -> None:
        self._client = client
        self._alive_s = alive_s

    async def listen(self, worker_id: str, on_ring: Callable[[UUID], None]) -> None:
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    await pubsub.subscribe(_bell(worker_id))
                    async for message in pubsub.listen():
                        if message["type"] == "message":
                            on_ring(UUID(message["data"].decode()))
            except (RedisError, OSError) as error:
                logger.warning("bell of %s is silent, listening again: %s", worker_id, error)
                await asyncio.sleep(0.5)

    async def worker_alive(self, info: WorkerInfo) -> None:
        body = orjson.dumps(
            {
                "worker_id": info.worker_id,
                "running": info.running,
                "slots": info.slots,
                "host": info.host,
                "pid": info.pid,
                "queues": info.queues,
            }
        )
        with suppress(RedisError, OSError):
            pipe = self._client.pipeline(transaction=False)
            pipe.set(_worker(info.worker_id), body, px=round(self._alive_s * 1000))
            pipe.sadd(_WORKERS, info.worker_id)
            await pipe.execute()

    async def worker_gone(self, worker_id: str) -> None:
        with suppress(RedisError, OSError):
            pipe = self._client.pipeline(transaction=False)
            pipe.delete(_worker(worker_id))
            pipe.srem(_WORKERS, worker_id)
            await pipe.execute()

    async def readers_mark(self, run_ids: Collection[UUID], ttl_s: float) -> None:
        if not run_ids:
            return
        with suppress(RedisError, OSError):
            pipe = self._client.pipeline(transaction=False)
            for run_id in run_ids:
                pipe.set(_readers(run_id), 1, px=round(ttl_s * 1000))
            await pipe.execute()

    async def readers_gone(self, run_id: UUID) -> None:
        with suppress(RedisError, OSError):
            await self._client.delete(_readers(run_id))

    async def unread(self, run_ids: Collection[UUID]) -> set[UUID]:
        asked = list(run_ids)
        if not asked:
            return set()
        try:
            marks = await self._client.mget([_readers(run_id) for run_id in asked])
        except (RedisError, OSError) as error:
            raise QueueUnavailable from error
        return {run_id for run_id, mark in zip(asked, marks, strict=True) if mark is None}
