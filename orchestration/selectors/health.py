"""Is everything there that runs need?"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from django.conf import settings
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.db import Error, connection

from agents_cfg.selectors.mcp import McpState, mcp_state
from taskmapr.core import wired
from taskmapr.core.errors import QueueUnavailable
from taskmapr.core.timestamps import timestamp_of
from taskmapr.foundation.aio import in_database

logger = logging.getLogger(__name__)

#: One check takes at most this long; its answer holds for CACHED_S.
LIMIT_S: Final = 1.0
CACHED_S: Final = 2.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What was found, and when."""

    has_database: bool
    has_redis: bool
    has_storage: bool
    mcp: McpState
    workers: int
    queue_depth: dict[str, int]
    checked_at: datetime

    @property
    def status(self) -> str:
        """Without Redis nothing can be started; without one of the others some things cannot."""
        if not self.has_redis:
            return "unhealthy"
        is_whole = self.has_database and self.workers and self.mcp != "unavailable"
        return "healthy" if is_whole else "degraded"

    @property
    def failing(self) -> list[str]:
        """What keeps this server from doing all that it is asked. Names, and nothing else."""
        found = {
            "database": self.has_database,
            "redis": self.has_redis,
            "workers": self.workers,
            "storage": self.has_storage,
        }
        return [name for name, is_there in found.items() if not is_there]

    def as_json(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "service": "healthy",
            "db": "connected" if self.has_database else "not connected",
            "redis": "connected" if self.has_redis else "not connected",
            "mcp": self.mcp,
            "workers": self.workers,
            "queue_depth": self.queue_depth,
            "persistence": "database" if self.has_database else "memory",
            "timestamp": timestamp_of(self.checked_at),
        }


class HealthCheck:
    """Checks at most once in CACHED_S seconds, whoever asks how often."""

    def __init__(self) -> None:
        self._last: Health | None = None
        self._running: asyncio.Task[Health] | None = None

    async def health(self) -> Health:
        if self._last is not None:
            age_s = (datetime.now(UTC) - self._last.checked_at).total_seconds()
            if age_s < CACHED_S:
                return self._last
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(_checked())
        self._last = await asyncio.shield(self._running)
        return self._last


async def _checked() -> Health:
    has_database, queue, has_storage, mcp = await asyncio.gather(
        _within_limit(in_database(_database), False),
        _within_limit(in_database(_queue), (False, 0, {})),
        _within_limit(asyncio.to_thread(_storage), False),
        _within_limit(in_database(_mcp), "unavailable"),
    )
    has_redis, workers, depths = queue
    return Health(
        has_database=has_database,
        has_redis=has_redis,
        has_storage=has_storage,
        mcp=mcp,
        workers=workers,
        queue_depth=depths,
        checked_at=datetime.now(UTC),
    )


async def _within_limit(check: Awaitable[T], otherwise: T) -> T:
    try:
        async with asyncio.timeout(LIMIT_S):
            return await check
    except TimeoutError:
        return otherwise


def _mcp() -> McpState:
    try:
        return mcp_state()
    except Error:
        return "unavailable" if settings.TASKMAPR["mcp_base_url"] else "not configured"


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return False
    return True


def _queue() -> tuple[bool, int, dict[str, int]]:
    signals = wired.ports().signals
    try:
        return True, len(signals.workers()), signals.queue_depths(settings.QUEUES)
    except QueueUnavailable:
        return False, 0, {}


def _storage() -> bool:
    """True when files of runs can be written, or their bucket answers. A folder is made with the
    first of them."""
    storage = storages["artifacts"]
    if not isinstance(storage, FileSystemStorage):
        return _answers(storage)
    folder = Path(storage.location)
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK)


def _answers(storage: Storage) -> bool:
    try:
        storage.exists("health")
    except Exception:  # each kind of storage has errors of its own
        logger.warning("the storage of files does not answer", exc_info=True)
        return False
    return True
