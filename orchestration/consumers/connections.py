"""How many sockets a credential has open, over all web processes, counted in Redis.

Each open socket is a member of its credential's set until a moment that its process moves on again
and again; the sockets of a process that died are forgotten by then. While Redis is away nobody is
refused here.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary

from django.conf import settings
from redis.exceptions import RedisError

from taskmapr.core.errors import TooMany
from taskmapr.foundation.redis_client import redis_client
from taskmapr.foundation.telemetry import metrics
from taskmapr.foundation.telemetry.outages import REDIS

#: Seconds for which a socket counts without a new sign, and between two signs.
LIFE_S: Final = 30
SIGN_S: Final = 10.0

#: KEYS: the set. ARGV: socket, limit, life. The clock is that of Redis.
_TAKE: Final = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""
#: KEYS: the set. ARGV: life, sockets. Sockets that were forgotten meanwhile are there again.
_SIGN: Final = """
local till = tonumber(redis.call('TIME')[1]) + ARGV[1]
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], till, ARGV[i]) end
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""


def connection_take(*, ref: str, socket_id: str) -> None:
    """Count one more socket of this credential. Raises TooMany."""
    ours: Any = settings.TASKMAPR
    limit = ours["sockets_per_key"]
    if not limit:
        return
    try:
        taken = redis_client().eval(_TAKE, 1, _key(ref), socket_id, limit, LIFE_S)
    except (RedisError, OSError) as error:
        REDIS.warn(error)
        return
    if not taken:
        metrics.rate_limit_met()
        raise TooMany(f"At most {limit} sockets may be open at once.")


def connection_leave(*, ref: str, socket_id: str) -> None:
    with suppress(RedisError, OSError):
        redis_client().zrem(_key(ref), socket_id)


def connections_sign(held: dict[str, str]) -> None:
    """held: credential by socket."""
    by_ref: dict[str, list[str]] = {}
    for socket_id, ref in held.items():
        by_ref.setdefault(ref, []).append(socket_id)
    with suppress(RedisError, OSError):
        pipe = redis_client().pipeline(transaction=False)
        for ref, sockets in by_ref.items():
            pipe.eval(_SIGN, 1, _key(ref), LIFE_S, *sockets)
        pipe.execute()


def _key(ref: str) -> str:
    return f"tm:sockets:{ref}"


class Held:
    """The sockets of one event loop; signs for them while there are any."""

    def __init__(self) -> None:
        self._refs: dict[str, str] = {}
        self._signing: asyncio.Task[None] | None = None

    def add(self, socket_id: str, ref: str) -> None:
        """A socket that was counted."""
        self._refs[socket_id] = ref
        if self._signing is None or self._signing.done():
            self._signing = asyncio.get_running_loop().create_task(self._sign(), name="sockets")

    async def leave(self, socket_id: str) -> None:
        """Harmless for one that was never added."""
        ref = self._refs.pop(socket_id, None)
        if not self._refs and self._signing is not None:
            self._signing.cancel()
        if ref is not None:
            await asyncio.to_thread(connection_leave, ref=ref, socket_id=socket_id)

    async def _sign(self) -> None:
        while True:
            await asyncio.sleep(SIGN_S)
            await asyncio.to_thread(connections_sign, dict(self._refs))


_all: WeakKeyDictionary[asyncio.AbstractEventLoop, Held] = WeakKeyDictionary()


def held() -> Held:
    """That of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _all:
        _all[loop] = Held()
    return _all[loop]
