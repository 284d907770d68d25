"""The moment between what readers hear and what Postgres says, held open.

Real log writer and reader, real Redis and Postgres: only the batches with which a worker leaves a
run wait until the test lets them be stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from orchestration.live import live
from orchestration.log.reader import REST, LogReader
from orchestration.log.store import RunBatch
from tests.orchestration.api.conftest import Answer
from tests.orchestration.api.tasks.conftest import of_type
from tests.orchestration.intents.conftest import Worker, call, play, registry, send

__all__ = ["call", "of_type", "play", "registry", "send"]

#: A guarantee that is broken shows as a wait of this length.
PATIENCE_S = 10.0


class SlowStore(Worker):
    """A worker's whose last words reach Postgres when `gap` is over."""

    def __init__(self) -> None:
        super().__init__()
        self._may_store = asyncio.Event()
        self._may_store.set()
        #: A request found that the row is behind.
        self.is_awaited = asyncio.Event()

    async def store(self, batches: Sequence[RunBatch]) -> Any:
        if any(batch.events[-1].kind in REST for batch in batches):
            await self._may_store.wait()
        return await super().store(batches)

    @asynccontextmanager
    async def gap(self) -> AsyncIterator[None]:
        self._may_store.clear()
        try:
            yield
        finally:
            self._may_store.set()

    async def asked(self, asking: Awaitable[Answer]) -> Answer:
        """The answer to a request that comes inside of the gap, which is over when it has answered
        or waits for the row."""
        task = asyncio.ensure_future(asking)
        waits = asyncio.ensure_future(self.is_awaited.wait())
        await asyncio.wait([task, waits], timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()
        self._may_store.set()
        return await task


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> SlowStore:
    slow, at_rest = SlowStore(), LogReader.at_rest

    async def noticed(reader: LogReader, run_ids: Collection[UUID]) -> set[UUID]:
        if found := await at_rest(reader, run_ids):
            slow.is_awaited.set()
        return found

    monkeypatch.setattr(LogReader, "at_rest", noticed)
    return slow


async def heard(run_id: str | UUID) -> str:
    """The kind of the event with which a run rests, as soon as a reader hears it."""
    async for batch in live().follow(UUID(str(run_id)), idle_s=10):
        assert batch, "nothing was heard"
        if batch[-1].kind in REST:
            return batch[-1].kind
    raise AssertionError("the log ended")
