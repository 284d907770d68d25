"""Allowances of requests per minute, counted in Redis.

The window slides: what was asked in the minute before counts for the part of it that still lies
within the last 60 s. One round trip counts and tells. While Redis is away nobody is refused here;
what needs Redis refuses by itself.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from redis.exceptions import NoScriptError, RedisError

from taskmapr.foundation.redis_client import redis_client
from taskmapr.foundation.telemetry.outages import REDIS

WINDOW_S: Final = 60
#: After Redis failed it is left alone for so long: a Redis that hangs must not slow every request.
PAUSE_S: Final = 5.0
PREFIX: Final = "tm:rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is left of an allowance after a request was counted, or refused."""

    limit: int
    is_allowed: bool
    remaining: int
    #: Seconds until the window ends; for a refused request, until one would be allowed.
    reset_s: int

    @property
    def headers(self) -> dict[str, str]:
        """`RateLimit-*` as in draft-ietf-httpapi-ratelimit-headers-06."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s),
            "RateLimit-Policy": f"{self.limit};w={WINDOW_S}",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Two counters as Redis holds them; seconds until each is forgotten."""

    previous: int
    previous_ends_s: float
    current: int
    #: The current counter outlives its window by one more, in which it is the previous one.
    current_ends_s: float

    def standing(self, limit: int, *, is_allowed: bool) -> Standing:
        weight = math.floor(self.previous * self.previous_ends_s / WINDOW_S) + self.current
        # Exactly then there is no room yet, a hair later there is.
        wait_s = self._ends_s if is_allowed else self._free_s(limit) + 0.001
        return Standing(
            limit=limit,
            is_allowed=is_allowed,
            remaining=max(0, limit - weight),
            reset_s=max(1, math.ceil(wait_s)),
        )

    @property
    def _ends_s(self) -> float:
        return max(0.0, self.current_ends_s - WINDOW_S)

    def _free_s(self, limit: int) -> float:
        """Until the weighted sum leaves room for one more."""
        if self.current < limit:
            return self.previous_ends_s - WINDOW_S * (limit - self.current) / max(self.previous, 1)
        return self._ends_s + WINDOW_S * (1 - limit / self.current)


class Allowances:
    """The counters of a Redis, by the scripts of `limits`."""

    def __init__(self, url: str) -> None:
        pool = redis_client().connection_pool
        self._storage = RedisStorage(url, connection_pool=pool, key_prefix=PREFIX)

    def take(self, ref: str, limit: int) -> Standing:
        """Count one request of `ref` unless its allowance is spent. Raises RedisError."""
        key = f"{PREFIX}:{RateLimitItemPerMinute(limit, namespace='post').key_for(ref)}"
        # Both in one hash slot, as clusters want it: the braces hold what is hashed.
        keys = (f"{{{key}}}:before", f"{{{key}}}")
        try:
            taken, window = self._ask(keys, limit)
        except NoScriptError:
            self._load()
            taken, window = self._ask(keys, limit)
        return window.standing(limit, is_allowed=bool(taken))

    def _ask(self, keys: tuple[str, str], limit: int) -> tuple[Any, Window]:
        """One round trip; the library's own calls would make two of it."""
        client: Any = self._storage.get_connection()
        pipe = client.pipeline(transaction=False)
        pipe.evalsha(self._storage.lua_acquire_sliding_window.sha, 2, *keys, limit, WINDOW_S, 1)
        pipe.evalsha(self._storage.lua_sliding_window.sha, 2, *keys, WINDOW_S)
        taken, (previous, previous_ms, current, current_ms) = pipe.execute()
        return taken, Window(
            previous=int(previous or 0),
            previous_ends_s=max(0, previous_ms or 0) / 1000,
            current=int(current or 0),
            current_ends_s=max(0, current_ms or 0) / 1000,
        )

    def _load(self) -> None:
        """After Redis has started anew."""
        client: Any = self._storage.get_connection()
        client.script_load(self._storage.SCRIPT_ACQUIRE_SLIDING_WINDOW)
        client.script_load(self._storage.SCRIPT_SLIDING_WINDOW)


@lru_cache(maxsize=4)
def _allowances(url: str) -> Allowances:
    return Allowances(url)


class _Outage:
    """Redis was away a moment ago."""

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def is_on(self) -> bool:
        return time.monotonic() < self._until

    def begin(self, error: Exception) -> None:
        self._until = time.monotonic() + PAUSE_S
        REDIS.warn(error)


_outage: Final = _Outage()


def allowance_take(ref: str, limit: int) -> Standing | None:
    """Count a request of `ref`. None when there is no limit (0), or nobody to count."""
    if not limit or _outage.is_on:
        return None
    try:
        return _allowances(settings.REDIS_URL).take(ref, limit)
    except (RedisError, OSError) as error:
        _outage.begin(error)
        return None
