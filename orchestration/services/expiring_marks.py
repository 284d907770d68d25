"""Marks in Redis that say which run has something at present."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from redis.exceptions import RedisError

from orchestration.models import Run
from taskmapr.core.run_state import OPEN_STATUSES
from taskmapr.foundation.redis_client import redis_client

logger = logging.getLogger(__name__)

_REMOVE_OWN = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"
_TAKE_OVER = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


def mark_take(key: str, run_id: UUID, until: datetime) -> bool | None:
    """True: the mark is this run's. False: it is that of another run which is not over. None:
    Redis is away, so nobody knows."""
    lifetime_ms = max(1, int((until - datetime.now(UTC)).total_seconds() * 1000))
    try:
        client = redis_client()
        if client.set(key, str(run_id), nx=True, px=lifetime_ms):
            return True
        holder = cast("bytes | None", client.get(key))
        if holder is None:
            return bool(client.set(key, str(run_id), nx=True, px=lifetime_ms))
        # A process that was killed left its mark; its run tells that it is over.
        if holder.decode() != str(run_id) and run_is_open(UUID(holder.decode())):
            return False
        # Others may have looked at the same moment: one of them takes it over.
        return bool(client.eval(_TAKE_OVER, 1, key, holder, str(run_id), lifetime_ms))
    except RedisError as error:
        logger.warning("mark %s cannot be taken: %s", key, type(error).__name__)
        return None


def mark_release(key: str, run_id: UUID) -> None:
    """The mark is gone if it was this run's."""
    try:
        redis_client().eval(_REMOVE_OWN, 1, key, str(run_id))
    except RedisError as error:
        logger.warning("mark %s stays until it expires: %s", key, type(error).__name__)


def run_is_open(run_id: UUID) -> bool:
    return Run.objects.filter(pk=run_id, status__in=OPEN_STATUSES).exists()
