"""The one way into a run's log while a worker holds its lease.

`append` numbers an event at once and returns; it never waits. Two loops carry the events on: one to
Redis, with one pipeline in flight at a time, so that what gathers meanwhile goes together; one to
Postgres, every `STORE_INTERVAL_S` or `STORE_ROWS` rows, and at every barrier. Neighbouring deltas
are joined while they wait, before a number is given to the next event: the live log and the stored
log are the same events.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from orchestration.log.store import Ending, RunBatch
from orchestration.log.transcript import Transcript
from orchestration.log.wire import StoredEvent, encode, fit_to_store, pack
from orchestration.page.text import storable
from taskmapr.core.errors import DatabaseUnavailable, LeaseLost, QueueUnavailable
from taskmapr.core.events import Event, data_of, kind_of
from taskmapr.core.ports import LogTransport, Parcel, Sealer
from taskmapr.core.run_state import RunState, advance

logger = logging.getLogger(__name__)

STORE_INTERVAL_S: Final = 0.2
STORE_ROWS: Final = 64
#: A joined delta covers at most this much time.
JOIN_SPAN_S: Final = 0.05
#: While a store is away, it is tried again after this long.
RETRY_S: Final = 0.5

BatchWriter = Callable[[Sequence[RunBatch]], Awaitable[tuple[set[UUID], list[UUID]]]]


class RunWriter:
    """The log of one held run. Made by `LogWriter.open`; used from the loop's thread only."""

    def __init__(
        self,
        *,
        hub: LogWriter,
        run_id: UUID,
        lease_token: int,
        state: RunState,
        sealer: Sealer | None,
        transcript: Transcript,
        lane: StoreLane,
    ) -> None:
        self.run_id = run_id
        self.lease_token = lease_token
        self.state = state
        self.is_fenced = False
        self._transcript = transcript
        self._hub = hub
        self._lane = lane
        self._sealer = sealer
        self._fresh: list[Event] = []
        self._unstored: list[StoredEvent] = []
        self._ending: Ending | None = None
        self._stored_seq = state.seq
        self._barriers: list[tuple[int, asyncio.Future[None]]] = []
        #: Those of the barriers that need not hold while the store is away.
        self._checkpoints: set[asyncio.Future[None]] = set()
        self._may_be_stored = False

    def append(self, payload: object) -> Event:
        """Add one event. Raises IllegalMove when the state forbids it, LeaseLost when fenced
        off."""
        return self._add(kind_of(payload).name, fit_to_store(data_of(payload)))

    def append_delta(self, kind: str, text: str) -> None:
        """Add a piece of text; joined with the piece before it while that one still waits."""
        text = storable(text, len(text))
        if not text:
            return
        last = self._fresh[-1] if self._fresh else None
        if last is not None and last.kind == kind:
            now = datetime.now(UTC)
            if (now - last.at).total_seconds() < JOIN_SPAN_S:
                joined = {"text": last.data["text"] + text}
                self._fresh[-1] = Event(self.run_id, last.seq, kind, joined, last.at)
                self._transcript.feed(kind, {"text": text})
                return
        self._add(kind, {"text": text})

    def _add(self, kind: str, data: Mapping[str, Any]) -> Event:
        if self.is_fenced:
            raise LeaseLost
        event = Event(self.run_id, self.state.seq + 1, kind, data, datetime.now(UTC))
        self.state = advance(self.state, event)
        self._fresh.append(event)
        self._transcript.feed(kind, data)
        self._hub.wake(self)
        return event

    async def barrier(self) -> None:
        """Return when the store has everything appended so far. Raises LeaseLost when fenced
        off."""
        if (future := self._due()) is not None:
            await future

    async def checkpoint(self) -> None:
        """As `barrier`, but goes on without the store while that is away: for the ends of steps,
        which a lost worker would merely repeat."""
        if not self._lane.is_up:
            if self.is_fenced:
                raise LeaseLost
            return
        if (future := self._due()) is not None:
            self._checkpoints.add(future)
            try:
                await future
            finally:
                self._checkpoints.discard(future)

    def _due(self) -> asyncio.Future[None] | None:
        """Resolved when the store has what was appended so far; None if it has it already."""
        if self.is_fenced:
            raise LeaseLost
        if self._stored_seq >= self.state.seq:
            return None
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._barriers.append((self.state.seq, future))
        self._lane.hurry()
        return future

    async def close(self, last: Sequence[object], ending: Ending) -> None:
        """Append the last events and write the run's last columns with them, in one transaction.

        The last of `last` is run.finished. Returns when Postgres has it; the run is given up then.
        """
        self._ending = ending
        try:
            for payload in last:
                self.append(payload)
            await self.barrier()
        finally:
            self._hub.forget(self)

    def give_up(self) -> None:
        """Stop writing without an ending: the lease was handed back or lost."""
        self._hub.forget(self)

    # Called by the hub -----------------------------------------------------------------------

    def take_fresh(self) -> Parcel | None:
        """What Redis should get now; it waits for Postgres as well from here on."""
        if not self._fresh:
            return None
        stored = [encode(event, self._sealer) for event in self._fresh]
        self._fresh = []
        self._unstored.extend(stored)
        last = stored[-1]
        return Parcel(
            self.run_id, self.lease_token, last.seq, pack(stored), last.kind == "run.finished"
        )

    @property
    def unstored_rows(self) -> int:
        return len(self._unstored)

    @property
    def is_awaited(self) -> bool:
        return bool(self._barriers)

    def is_stored_by(self, lane: StoreLane) -> bool:
        return self._lane is lane

    def hurry(self) -> None:
        self._lane.hurry()

    def take_unstored(self) -> RunBatch | None:
        """What the store should get now: everything that was handed to Redis before."""
        if not self._unstored:
            return None
        events, self._unstored = self._unstored, []
        ending = self._ending if events[-1].kind == "run.finished" else None
        return RunBatch(
            run_id=self.run_id,
            lease_token=self.lease_token,
            events=events,
            ending=ending,
            may_be_stored=self._may_be_stored,
        )

    def put_back(self, batch: RunBatch) -> None:
        """The store was away: try these first next time. It may have taken them all the same."""
        self._may_be_stored = True
        self._unstored = batch.events + self._unstored
        for future in self._checkpoints:
            if not future.done():
                future.set_result(None)

    def stored(self, batch: RunBatch) -> None:
        self._may_be_stored = False
        self._stored_seq = batch.events[-1].seq
        due = [b for b in self._barriers if b[0] <= self._stored_seq]
        self._barriers = [b for b in self._barriers if b[0] > self._stored_seq]
        for _, future in due:
            if not future.done():
                future.set_result(None)

    def fence_off(self) -> None:
        """Somebody else writes this run now: drop everything and tell whoever waits."""
        self.is_fenced = True
        self._fresh, self._unstored = [], []
        for _, future in self._barriers:
            if not future.done():
                future.set_exception(LeaseLost())
        self._barriers = []

    @property
    def is_idle(self) -> bool:
        return not (self._fresh or self._unstored or self._barriers)


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
            if self.live_is_up:
                logger.warning("live log down, readers fall back to the database: %s", error.detail)
            self.live_is_up = False
            return
        if not self.live_is_up:
            logger.info("live log is back")
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
