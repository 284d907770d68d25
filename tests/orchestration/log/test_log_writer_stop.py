"""Stopping the writer of a worker process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from orchestration.log.store import RunBatch
from orchestration.log.writer import LogWriter
from taskmapr.core.ports import Parcel

pytestmark = pytest.mark.anyio


class SilentTransport:
    async def append(self, parcels: Sequence[Parcel]) -> list[bool]:
        return [True for _ in parcels]

    async def fence(self, run_id: UUID, lease_token: int) -> None:
        return

    async def read(self, run_id: UUID, after: int) -> list[bytes]:
        return []


async def write_nothing(batches: Sequence[RunBatch]) -> tuple[set[UUID], list[UUID]]:
    return set(), []


async def test_ends_although_it_was_hurried_in_the_same_moment() -> None:
    log = LogWriter(SilentTransport(), write_nothing)
    log.start()
    await asyncio.sleep(0)

    log.hurry()
    stopping = asyncio.create_task(log.stop())
    ended, _ = await asyncio.wait([stopping], timeout=5)

    assert stopping in ended
