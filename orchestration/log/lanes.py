"""The ways on which the log's batches leave a worker for a store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID

from orchestration.log.store import RunBatch

STORE_INTERVAL_S: Final = 0.2

BatchWriter = Callable[[Sequence[RunBatch]], Awaitable[tuple[set[UUID], list[UUID]]]]


class StoreLane:
    """The way to one store: Postgres, or what stands in for it while it is away."""

    def __init__(self, write: BatchWriter, on_successors: Callable[[list[UUID]], None]) -> None:
        self.write = write
        self.on_successors = on_successors
        self.is_up = True
        self._now = asyncio.Event()

    def hurry(self) -> None:
        """Store at once what there is."""
        self._now.set()

    async def pause(self) -> None:
        """Return when it is time to store again."""
        # Not wait_for: in Python 3.11 it may swallow the cancellation that ends the loop.
        with suppress(TimeoutError):
            async with asyncio.timeout(STORE_INTERVAL_S):
                await self._now.wait()
        self._now.clear()
