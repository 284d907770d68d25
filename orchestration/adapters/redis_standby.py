"""Documents, lists and sets in Redis that stand in while Postgres is away. Each lives a day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import orjson
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError, WatchError

from taskmapr.core.errors import QueueUnavailable
from taskmapr.core.ports import Document

R = TypeVar("R")

LIFE_S: Final = 24 * 3600


class RedisStandby:
    """StandbyStore over one blocking client."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def read(self, key: str) -> Document | None:
        with _reachable():
            return _document(self._client.get(_name(key)))

    def update(
        self,
        key: str,
        change: Callable[[Document | None], tuple[Document | None, R]],
        adding: Callable[[R], Mapping[str, bytes]] = lambda result: {},
    ) -> R:
        with _reachable(), self._client.pipeline() as pipe:
            while True:
                try:
                    return _changed(pipe, _name(key), change, adding)
                except WatchError:
                    # Somebody was faster: look again. Each round, one of those who try succeeds.
                    continue

    def push(self, key: str, *items: bytes) -> None:
        with _reachable(), self._client.pipeline() as pipe:
            pipe.rpush(_name(key), *items)
            pipe.expire(_name(key), LIFE_S)
            pipe.execute()

    def items(self, key: str) -> list[bytes]:
        with _reachable():
            return self._client.lrange(_name(key), 0, -1)  # type: ignore[return-value]

    def take(self, key: str) -> list[bytes]:
        with _reachable(), self._client.pipeline() as pipe:
            pipe.lrange(_name(key), 0, -1)
            pipe.delete(_name(key))
            items: list[bytes] = pipe.execute()[0]
            return items

    def forget(self, *keys: str) -> None:
        with _reachable():
            self._client.delete(*map(_name, keys))

    def mark(self, key: str, member: str) -> None:
        with _reachable(), self._client.pipeline() as pipe:
            pipe.sadd(_name(key), member)
            pipe.expire(_name(key), LIFE_S)
            pipe.execute()

    def unmark(self, key: str, member: str) -> None:
        with _reachable():
            self._client.srem(_name(key), member)

    def marked(self, key: str) -> set[str]:
        with _reachable():
            members: Any = self._client.smembers(_name(key))
            return {member.decode() for member in members}

    def remember(self, values: Mapping[str, str]) -> None:
        with _reachable(), self._client.pipeline(transaction=False) as pipe:
            for key, value in values.items():
                pipe.set(_name(key), value, ex=LIFE_S)
            pipe.execute()

    def recall(self, key: str) -> str | None:
        with _reachable():
            value: Any = self._client.get(_name(key))
            return None if value is None else value.decode()

    def now(self) -> float:
        with _reachable():
            told: Any = self._client.time()
        return float(told[0] + told[1] / 1_000_000)


def _changed(
    pipe: Pipeline,
    name: str,
    change: Callable[[Document | None], tuple[Document | None, R]],
    adding: Callable[[R], Mapping[str, bytes]],
) -> R:
    """One attempt. Raises WatchError when the document changed under it."""
    pipe.watch(name)
    before = _document(pipe.get(name))
    document, result = change(before)
    pipe.multi()
    if document is None:
        pipe.delete(name)
    else:
        pipe.set(name, orjson.dumps(document), ex=LIFE_S)
    for key, item in adding(result).items():
        pipe.rpush(_name(key), item)
        pipe.expire(_name(key), LIFE_S)
    pipe.execute()
    return result


def _document(body: Any) -> Document | None:
    return None if body is None else orjson.loads(body)


def _name(key: str) -> str:
    return f"tm:standby:{key}"


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except WatchError:
        raise
    except (RedisError, OSError) as error:
        raise QueueUnavailable("Redis cannot be reached.") from error
