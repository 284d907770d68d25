"""The process's sync connection to Redis, for short questions: counters, flags."""

from __future__ import annotations

from functools import lru_cache

import redis
from django.conf import settings


def redis_client() -> redis.Redis:
    """Thread-safe and pooled. Answers within two seconds or raises redis.exceptions.RedisError."""
    return _client(settings.REDIS_URL)


@lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
