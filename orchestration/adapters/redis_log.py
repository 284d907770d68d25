"""The live log in Redis: a stream per run to catch up from, a channel per run to be woken by."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from taskmapr.core.errors import QueueUnavailable
from taskmapr.core.ports import Parcel
from taskmapr.foundation.aio import require_not_cancelled

logger = logging.getLogger(__name__)

#: Seconds a stream lives while its run is open, and after its end (by then Postgres has
#: everything).
OPEN_TTL_S: Final = 24 * 3600
ENDED_TTL_S: Final = 3600

# All parcels of a flush in one command: fence, append and announce are one step for each of them,
# and the client packs and parses once.
_APPEND: Final = """
local outcomes = {}
for i = 1, #ARGV / 5 do
  local k, a = 3 * i - 3, 5 * i - 5
  local fence = tonumber(redis.call('GET', KEYS[k + 1]) or '0')
  local token, body, ttl = tonumber(ARGV[a + 1]), ARGV[a + 3], ARGV[a + 4]
  outcomes[i] = 0
  if fence <= token then
    if token > fence then redis.call('SET', KEYS[k + 1], ARGV[a + 1], 'EX', ttl) end
    local added = redis.pcall('XADD', KEYS[k + 2], ARGV[a + 2] .. '-0', 'e', body)
    if type(added) ~= 'table' or not added.err then
      if ARGV[a + 5] == '1' then
        redis.call('EXPIRE', KEYS[k + 1], ttl)
        redis.call('EXPIRE', KEYS[k + 2], ttl)
      end
      redis.call('PUBLISH', KEYS[k + 3], body)
      outcomes[i] = 1
    end
  end
end
return outcomes
"""
_APPEND_SHA: Final = hashlib.sha1(_APPEND.encode(), usedforsecurity=False).hexdigest()

_FENCE: Final = """
local fence = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) > fence then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
return 1
"""


def stream_key(run_id: UUID) -> str:
    return f"tm:log:{run_id}"


def fence_key(run_id: UUID) -> str:
    return f"tm:fence:{run_id}"


def channel_name(run_id: UUID) -> str:
    return f"tm:live:{run_id}"


def _append_words(parcels: Iterable[tuple[Parcel, bool]]) -> list[Any]:
    """Number of keys, keys and arguments of the script; True: (also) the lifetimes are set."""
    keys: list[Any] = []
    arguments: list[Any] = []
    for parcel, is_first in parcels:
        run_id = parcel.run_id
        keys += (fence_key(run_id), stream_key(run_id), channel_name(run_id))
        ttl = ENDED_TTL_S if parcel.is_terminal else OPEN_TTL_S
        lasting = 1 if is_first or parcel.is_terminal else 0
        arguments += (parcel.lease_token, parcel.last_seq, parcel.body, ttl, lasting)
    return [len(keys), *keys, *arguments]


class RedisLog:
    """LogTransport over one Redis client (binary: decode_responses off)."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._fence = client.register_script(_FENCE)
        self._started: set[UUID] = set()

    async def append(self, parcels: Sequence[Parcel]) -> list[bool]:
        # Lifetimes are set with the first parcel that this process writes and with the last one.
        words = _append_words((p, p.run_id not in self._started) for p in parcels)
        try:
            outcomes = await self._run_append(words)
        except ResponseError as error:
            raise QueueUnavailable(f"The live log refused a write: {error}") from error
        except (RedisError, OSError) as error:
            raise QueueUnavailable("The live log cannot be written.") from error
        self._remember(parcels)
        return [bool(outcome) for outcome in outcomes]

    async def _run_append(self, words: list[Any]) -> list[int]:
        # Not register_script: in a pipeline it asks for the script's existence with every flush.
        try:
            outcomes: list[int] = await self._client.execute_command("EVALSHA", _APPEND_SHA, *words)
        except NoScriptError:
            outcomes = await self._client.execute_command("EVAL", _APPEND, *words)
        return outcomes

    async def fence(self, run_id: UUID, lease_token: int) -> None:
        try:
            await self._fence(keys=[fence_key(run_id)], args=[lease_token, OPEN_TTL_S])
        except (RedisError, OSError) as error:
            raise QueueUnavailable("The live log cannot be reached.") from error

    async def read(self, run_id: UUID, after: int) -> list[bytes]:
        try:
            entries: Any = await self._client.xrange(stream_key(run_id), min=f"{after + 1}-0")
        except (RedisError, OSError) as error:
            require_not_cancelled()
            raise QueueUnavailable("The live log cannot be read.") from error
        return [fields[b"e"] for _, fields in entries]

    async def last(self, run_ids: Sequence[UUID]) -> list[bytes | None]:
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                for run_id in run_ids:
                    pipeline.xrevrange(stream_key(run_id), count=1)
                found: list[Any] = await pipeline.execute()
        except (RedisError, OSError) as error:
            require_not_cancelled()
            raise QueueUnavailable("The live log cannot be read.") from error
        return [_newest(entries) for entries in found]

    def _remember(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            if parcel.is_terminal:
                self._started.discard(parcel.run_id)
            else:
                self._started.add(parcel.run_id)


class RedisLogSync:
    """LogTransportSync over one blocking Redis client."""

    def __init__(self, client: BlockingRedis) -> None:
        self._client = client
        self._append = client.register_script(_APPEND)
        self._fence = client.register_script(_FENCE)

    def announce(self, parcel: Parcel) -> None:
        count, *words = _append_words([(parcel, True)])
        try:
            self._append(keys=words[:count], args=words[count:])
        except (RedisError, OSError) as error:
            logger.warning("run %s: events not announced: %s", parcel.run_id, error)

    def fence(self, run_id: UUID, lease_token: int) -> None:
        try:
            self._fence(keys=[fence_key(run_id)], args=[lease_token, OPEN_TTL_S])
        except (RedisError, OSError) as error:
            raise QueueUnavailable("The live log cannot be reached.") from error

    def read(self, run_id: UUID, after: int) -> list[bytes]:
        try:
            entries: Any = self._client.xrange(stream_key(run_id), min=f"{after + 1}-0")
        except (RedisError, OSError) as error:
            raise QueueUnavailable("The live log cannot be read.") from error
        return [fields[b"e"] for _, fields in entries]

    def last(self, run_id: UUID) -> bytes | None:
        try:
            entries: Any = self._client.xrevrange(stream_key(run_id), count=1)
        except (RedisError, OSError) as error:
            raise QueueUnavailable("The live log cannot be read.") from error
        return _newest(entries)


def _newest(entries: Any) -> bytes | None:
    """The body of the one entry that was asked for."""
    return entries[0][1][b"e"] if entries else None
