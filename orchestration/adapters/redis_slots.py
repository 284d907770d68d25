"""Places that are taken for a while, in Redis: how many may do the same at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from redis import Redis
from redis.exceptions import RedisError

from taskmapr.core.errors import QueueUnavailable
from taskmapr.core.ports import Places

#: All places or none. Who gets none stands in line where the first one was missing, and learns how
#: many stand there.
_TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  if not redis.call('ZSCORE', key, ARGV[1]) and
     redis.call('ZCARD', key) >= tonumber(ARGV[i + 2]) then
    local line = key .. ':line'
    redis.call('ZADD', line, 'NX', now, ARGV[1])
    redis.call('PEXPIRE', line, 3600000)
    return redis.call('ZCARD', line)
  end
end
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', key, ARGV[2] * 2)
  redis.call('ZREM', key .. ':line', ARGV[1])
end
return 0
"""
_RENEW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, 'XX', now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', key, ARGV[2] * 2)
end
"""
#: Gives the place back; the first in line may try again.
_LEAVE: Final = """
local freed = {}
for _, key in ipairs(KEYS) do
  redis.call('ZREM', key, ARGV[1])
  local first = redis.call('ZPOPMIN', key .. ':line')
  if first[1] then table.insert(freed, first[1]) end
end
return freed
"""


class RedisSlots:
    """Slots over one blocking client."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._take = client.register_script(_TAKE)
        self._renew = client.register_script(_RENEW)
        self._leave = client.register_script(_LEAVE)

    def take(self, wanted: Sequence[Places], ttl_s: float) -> list[int]:
        asked = [(p, (_ms(ttl_s), *p.limits.values())) for p in wanted]
        return [int(waiting) for waiting in self._call(self._take, asked)]

    def renew(self, held: Sequence[Places], ttl_s: float) -> None:
        self._call(self._renew, [(p, (_ms(ttl_s),)) for p in held])

    def leave(self, held: Sequence[Places]) -> list[UUID]:
        answers = self._call(self._leave, [(p, ()) for p in held])
        return [UUID(freed.decode()) for answer in answers for freed in answer]

    def _call(self, script: Any, asked: Sequence[tuple[Places, tuple[int, ...]]]) -> list[Any]:
        """One round trip for all of them."""
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for places, args in asked:
                    keys = [f"tm:slots:{name}" for name in places.limits]
                    script(keys=keys, args=[str(places.holder), *args], client=pipe)
                return list(pipe.execute())
        except (RedisError, OSError) as error:
            raise QueueUnavailable("Redis cannot be reached.") from error


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
