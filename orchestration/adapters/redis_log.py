"""The live log in Redis: a stream per run to catch up from, a channel per run to be woken by."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from taskmapr.core.errors import QueueUnavailable
from taskmapr.core.ports import Parcel

logger = logging.getLogger(__name__)

#: Seconds a stream lives while its run is open, and after its end (by then Postgres has
#: everything).
OPEN_TTL_S: Final = 24 * 3600
ENDED_TTL_S: Final = 3600

# One script per parcel: fence, append and announce are one step, and cost one command. XADD refuses
# an id that is there already: past the fence that can only be our own parcel, sent a second time
# because its answer was lost, so it counts as stored and is announced once more.
_APPEND: Final = """
local fence = tonumber(redis.call('GET', KEYS[1]) or '0')
local token = tonumber(ARGV[1])
if fence > token then return 0 end
local ttl = ARGV[4]
if token > fence then redis.call('SET', KEYS[1], ARGV[1], 'EX', ttl) end
redis.pcall('XADD', KEYS[2], ARGV[2] .. '-0', 'e', ARGV[3])
if ARGV[5] == '1' then
  redis.call('EXPIRE', KEYS[1], ttl)
  redis.call('EXPIRE', KEYS[2], ttl)
end
redis.call('PUBLISH', KEYS[3], ARGV[3])
return 1
"""

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


class RedisLog:
    """LogTransport over one Redis client (binary: decode_responses off)."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._append = client.register_script(_APPEND)
        self._fence = client.register_script(_FENCE)
        self._started: set[UUID] = set()

    async def append(self, parcels: Sequence[Parcel]) -> list[bool]:
        pipe = self._client.pipeline(transaction=False)
        for parcel in parcels:
            # Lifetimes are set with the first parcel that this process writes and with the last
            # one.
            first = parcel.run_id not in self._started
            await self._append(
                keys=[
                    fence_key(parcel.run_id),
                    stream_key(parcel.run_id),
                    channel_name(parcel.run_id),
                ],
                args=[
                    parcel.lease_token,
                    parcel.last_seq,
                    parcel.body,
                    ENDED_TTL_S if parcel.is_terminal else OPEN_TTL_S,
                    1 if first or parcel.is_terminal else 0,
                ],
                client=pipe,
            )
        try:
            outcomes = await pipe.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            raise QueueUnavailable("The live log cannot be written.") from error
        self._remember(parcels)
        return [self._outcome(outcome) for outcome in outcomes]

    async def fence(self, run_id: UUID, lease_token: int) -> None:
        try:
            await self._fence(keys=[fence_key(run_id)], args=[lease_token, OPEN_TTL_S])
        except (RedisError, OSError) as error:
            raise QueueUnavailable("The live log cannot be reached.") from error

    async def read(self, run_id: UUID, after: int) -> list[bytes]:
        try:
            entries: Any = await self._client.xrange(stream_key(run_id), min=f"{after + 1}-0")
        except (RedisError, OSError) as error:
            raise QueueUnavailable("The live log cannot be read.") from error
        return [fields[b"e"] for _, fields in entries]

    def _remember(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            if parcel.is_terminal:
                self._started.discard(parcel.run_id)
            else:
                self._started.add(parcel.run_id)

    @staticmethod
    def _outcome(outcome: Any) -> bool:
        if isinstance(outcome, ResponseError):
            raise QueueUnavailable(f"The live log refused a write: {outcome}") from outcome
        if isinstance(outcome, Exception):
            raise QueueUnavailable("The live log cannot be written.") from outcome
        return bool(outcome)


class RedisLogSync:
    """LogTransportSync over one blocking Redis client."""

    def __init__(self, client: BlockingRedis) -> None:
        self._client = client
        self._append = client.register_script(_APPEND)
        self._fence = client.register_script(_FENCE)

    def announce(self, parcel: Parcel) -> None:
        keys = [fence_key(parcel.run_id), stream_key(parcel.run_id), channel_name(parcel.run_id)]
        ttl = ENDED_TTL_S if parcel.is_terminal else OPEN_TTL_S
        try:
            self._append(keys=keys, args=[parcel.lease_token, parcel.last_seq, parcel.body, ttl, 1])
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
