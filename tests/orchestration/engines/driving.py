"""Driving one run in this process: a real log writer on Postgres, the live log in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from uuid import UUID

import pytest

from orchestration.execution import drive
from orchestration.execution.drive import HeldRun, run_drive
from orchestration.log.store import RunBatch, batches_write
from orchestration.log.writer import LogWriter
from orchestration.models import Run
from orchestration.services.leases import lease_claim
from taskmapr.core.ports import Parcel
from taskmapr.foundation.aio import in_database


class MemoryLog:
    """LogTransport that keeps parcels."""

    def __init__(self) -> None:
        self.parcels: list[Parcel] = []

    async def append(self, parcels: Sequence[Parcel]) -> list[bool]:
        self.parcels += parcels
        return [True] * len(parcels)

    async def fence(self, run_id: UUID, lease_token: int) -> None:
        raise NotImplementedError

    async def read(self, run_id: UUID, after: int) -> list[bytes]:
        return []


async def _store(batches: Sequence[RunBatch]) -> Any:
    return await in_database(batches_write, batches)


async def run_carry(
    run_id: UUID,
    worker_id: str = "w1",
    meanwhile: Callable[[HeldRun], Coroutine[Any, Any, None]] | None = None,
) -> HeldRun:
    """Claim the run and carry it to its end or a pause. `meanwhile`: what happens beside it."""
    claim = await in_database(lease_claim, run_id=run_id, worker_id=worker_id)
    assert claim is not None
    log = LogWriter(MemoryLog(), _store)
    log.start()
    held = HeldRun(claim, log, worker_id)
    try:
        async with asyncio.TaskGroup() as together:
            together.create_task(run_drive(held))
            if meanwhile is not None:
                together.create_task(meanwhile(held))
    finally:
        await log.stop()
    return held


EngineBody = Callable[[HeldRun], Any]


def use_engine(monkeypatch: pytest.MonkeyPatch, body: EngineBody) -> None:
    """Let every run be driven by `body`, a coroutine function of the held run."""

    class BodyEngine:
        def __init__(self, held: HeldRun) -> None:
            self._held = held

        async def run(self) -> None:
            await body(self._held)

    monkeypatch.setattr(drive, "engine_class", lambda kind: BodyEngine)


def refreshed(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)
