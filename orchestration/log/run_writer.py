"""The one way into a run's log while a worker holds its lease."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from uuid import UUID

from orchestration.log.lanes import StoreLane
from orchestration.log.store import Ending, RunBatch
from orchestration.log.transcript import Transcript
from orchestration.log.wire import StoredEvent, encode, fit_to_store, pack
from orchestration.page.text import storable
from taskmapr.core.errors import LeaseLost
from taskmapr.core.events import Event, data_of, kind_of
from taskmapr.core.ports import Parcel, Sealer
from taskmapr.core.run_state import RunState, advance

#: A joined delta covers at most this much time.
JOIN_SPAN_S: Final = 0.05


class Hub(Protocol):
    """What a run's writer tells the process's writer."""

    def wake(self, writer: RunWriter) -> None:
        """There is something new."""

    def forget(self, writer: RunWriter) -> None:
        """Nothing will follow."""


class RunWriter:
    """The log of one held run. Made by `LogWriter.open`; used from the loop's thread only."""

    def __init__(
        self,
        *,
        hub: Hub,
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
