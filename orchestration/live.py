"""Following runs from a web process: the log reader of its event loop, and its marks of readers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import suppress
from uuid import UUID
from weakref import WeakKeyDictionary

from django.conf import settings

from orchestration.log.reader import LogReader, Subscription
from orchestration.standby.anywhere import events_anywhere
from taskmapr.core import wired
from taskmapr.core.events import Event
from taskmapr.core.ports import Sealer
from taskmapr.foundation.aio import in_database


async def _stored(run_id: UUID, after: int, sealer: Sealer | None) -> list[Event]:
    return await in_database(events_anywhere, run_id, after, sealer)


class Live:
    """One per event loop. Made on first use, ends with the loop."""

    def __init__(self) -> None:
        ports = wired.ports()
        self.announcements = ports.new_announcements()
        self._signals = ports.new_signals()
        self._reader = LogReader(self.announcements, ports.new_log(), _stored)
        self._marking = asyncio.get_running_loop().create_task(self._mark(), name="mark-readers")

    async def subscribe(self, run_id: UUID) -> Subscription:
        """Be told of everything from now on. Raises QueueUnavailable while Redis is away."""
        subscription: Subscription = await self.announcements.subscribe(run_id)
        return subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        await self.announcements.unsubscribe(subscription)

    async def follow(
        self,
        run_id: UUID,
        *,
        sealer: Sealer | None = None,
        subscription: Subscription | None = None,
        known: list[Event] | None = None,
        idle_s: float,
    ) -> AsyncGenerator[list[Event], None]:
        """See LogReader.follow; while it lasts, the run counts as read."""
        if known is None:
            await self._signals.readers_mark([run_id], settings.TASKMAPR["lease_ttl_s"])
        batches = self._reader.follow(
            run_id, sealer=sealer, subscription=subscription, known=known, idle_s=idle_s
        )
        try:
            async for batch in batches:
                yield batch
        finally:
            await batches.aclose()
            if run_id not in self.announcements.run_ids:
                await self._signals.readers_gone(run_id)

    async def at_rest(self, run_ids: Collection[UUID]) -> set[UUID]:
        """See LogReader.at_rest."""
        return await self._reader.at_rest(run_ids)

    async def close(self) -> None:
        self._marking.cancel()
        with suppress(asyncio.CancelledError):
            await self._marking
        await self.announcements.close()

    async def _mark(self) -> None:
        times = settings.TASKMAPR
        while True:
            await asyncio.sleep(times["sign_every_s"])
            await self._signals.readers_mark(self.announcements.run_ids, times["lease_ttl_s"])


_lives: WeakKeyDictionary[asyncio.AbstractEventLoop, Live] = WeakKeyDictionary()


def live() -> Live:
    """The Live of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _lives:
        _lives[loop] = Live()
    return _lives[loop]


async def live_close() -> None:
    """End the Live of the running loop, if there is one."""
    found = _lives.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.close()
