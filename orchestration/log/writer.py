"""All logs that a worker process writes: from its runs to readers and to the stores.

`RunWriter.append` numbers an event at once and returns; it never waits. Loops carry the events on:
one to Redis, with one pipeline in flight at a time, so that what gathers meanwhile goes together;
one to each store, every `STORE_INTERVAL_S` or `STORE_ROWS` rows, and at every barrier. Neighbours
among deltas are joined while they wait, before a number is given to the next event: the live log
and the stored log are the same events.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final
from uuid import UUID

from orchestration.log.lanes import BatchWriter, StoreLane
from orchestration.log.run_writer import RunWriter
from orchestration.log.store import RunBatch
from orchestration.log.transcript import Transcript
from taskmapr.core.errors import DatabaseUnavailable, QueueUnavailable
from taskmapr.core.ports import LogTransport, Parcel, Sealer
from taskmapr.core.run_state import RunState
from taskmapr.foundation.telemetry.outages import REDIS

logger = logging.getLogger(__name__)

STORE_ROWS: Final = 64
#: While a store is away, it is tried again after this long.
RETRY_S: Final = 0.5


class LogWriter:
    """All held runs of one worker process. Lives on one event loop."""

    def __init__(
        self,
        transport: LogTransport,
        write_batches: BatchWriter,
        *,
        standby: StoreLane | None = None,
        on_successors: Callable[[list[UUID]], None] = lambda runs: None,
        on_fenced: Callable[[UUID], None] = lambda run: None,
    ) -> None:
        self._transport = transport
        self._main = StoreLane(write_batches, on_successors)
        self._standby = standby
        self._lanes = [self._main, *([standby] if standby is not None else [])]
        self._on_fenced = on_fenced
        self._open: dict[UUID, RunWriter] = {}
        self._dirty: dict[UUID, RunWriter] = {}
        self._has_fresh = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.live_is_up = True

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._carry_to_readers(), name="log-to-redis"),
            *(
                loop.create_task(self._carry_to_store(lane), name="log-to-store")
                for lane in self._lanes
            ),
        ]

    async def stop(self) -> None:
        """Store what is left, then stop. The runs themselves have been closed or given up
        before."""
        while any(not writer.is_idle for writer in self._open.values()):
            self.hurry()
            await asyncio.sleep(0.02)
        # A client that is cancelled in the middle of a command may take that for a timeout of its
        # own, and the loop goes on: it is told until it has ended.
        running = set(self._tasks)
        while running:
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=0.2)

    def open(
        self,
        run_id: UUID,
        lease_token: int,
        state: RunState,
        sealer: Sealer | None = None,
        transcript: Transcript | None = None,
        *,
        stands_by: bool = False,
    ) -> RunWriter:
        """A writer that continues after `state.seq`. The caller holds the lease with this token.

        `transcript` is told of every event that is appended. `stands_by`: the run's row lies in the
        standby store, so its log goes there.
        """
        lane = self._standby if stands_by else self._main
        if lane is None:
            raise RuntimeError("this log has no standby store")
        writer = self._open[run_id] = RunWriter(
            hub=self,
            run_id=run_id,
            lease_token=lease_token,
            state=state,
            sealer=sealer,
            transcript=transcript or Transcript(),
            lane=lane,
        )
        return writer

    def forget(self, writer: RunWriter) -> None:
        if self._open.get(writer.run_id) is writer:
            del self._open[writer.run_id]
        if self._dirty.get(writer.run_id) is writer:
            del self._dirty[writer.run_id]

    def wake(self, writer: RunWriter) -> None:
        self._dirty[writer.run_id] = writer
        self._has_fresh.set()

    def hurry(self) -> None:
        """Store at once what there is."""
        for lane in self._lanes:
            lane.hurry()

    async def _carry_to_readers(self) -> None:
        while True:
            await self._has_fresh.wait()
            self._has_fresh.clear()
            dirty, self._dirty = self._dirty, {}
            parcels = [p for w in dirty.values() if (p := w.take_fresh()) is not None]
            if not parcels:
                continue
            # Postgres does not wait for Redis: a barrier costs the longer of the two, not the sum.
            for writer in dirty.values():
                if writer.is_awaited or writer.unstored_rows >= STORE_ROWS:
                    writer.hurry()
            await self._append_live(parcels)

    async def _append_live(self, parcels: list[Parcel]) -> None:
        try:
            outcomes = await self._transport.append(parcels)
        except QueueUnavailable as error:
            # The log goes on in Postgres, where readers look when Redis is away.
            REDIS.warn(error.__cause__ or error.detail)
            self.live_is_up = False
            return
        if not self.live_is_up:
            REDIS.over("Redis is back")
        self.live_is_up = True
        for parcel, accepted in zip(parcels, outcomes, strict=True):
            if not accepted:
                self._fence_off(parcel.run_id, parcel.lease_token)

    async def _carry_to_store(self, lane: StoreLane) -> None:
        while True:
            await lane.pause()
            taken = [
                (writer, batch)
                for writer in list(self._open.values())
                if writer.is_stored_by(lane) and (batch := writer.take_unstored()) is not None
            ]
            if taken:
                await self._store(lane, taken)

    async def _store(self, lane: StoreLane, taken: list[tuple[RunWriter, RunBatch]]) -> None:
        try:
            fenced, successors = await lane.write([batch for _, batch in taken])
        except (DatabaseUnavailable, QueueUnavailable) as error:
            if lane.is_up:
                logger.warning("log cannot be stored, trying again: %s", error.detail)
            lane.is_up = False
            for writer, batch in taken:
                writer.put_back(batch)
            await asyncio.sleep(RETRY_S)
            lane.hurry()
            return
        except Exception:
            await self._store_apart(lane, taken)
            return
        if not lane.is_up:
            logger.info("log is stored again")
        lane.is_up = True
        for writer, batch in taken:
            if batch.run_id in fenced:
                self._fence_off(batch.run_id, batch.lease_token)
            else:
                writer.stored(batch)
        if successors:
            lane.on_successors(successors)

    async def _store_apart(self, lane: StoreLane, taken: list[tuple[RunWriter, RunBatch]]) -> None:
        """Something in these batches cannot be stored: the other runs must not suffer for it."""
        if len(taken) > 1:
            for one in taken:
                await self._store(lane, [one])
            return
        ((_, batch),) = taken
        logger.exception("run %s: its log cannot be stored, the run is given up", batch.run_id)
        self._fence_off(batch.run_id, batch.lease_token)

    def _fence_off(self, run_id: UUID, lease_token: int) -> None:
        writer = self._open.get(run_id)
        if writer is not None and writer.lease_token == lease_token:
            writer.fence_off()
            self.forget(writer)
            self._on_fenced(run_id)
