"""Appending to a run that no worker holds: queued, paused, or left behind by a lost worker.

The service takes the lease for this one append, inside one transaction on the run's row.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import BooleanField, Case, Q, Value, When
from django.db.models.functions import Now

from orchestration.log.endings import Totals, Verdict, ending_of, last_events
from orchestration.log.store import (
    RunBatch,
    batches_write,
    events_all,
    events_copy,
    sessions_lock,
)
from orchestration.log.transcript import Transcript
from orchestration.log.wire import StoredEvent, encode, fit_to_store, pack, unpack
from orchestration.models import Run
from taskmapr.core import wired
from taskmapr.core.errors import (
    AlreadyFinished,
    Conflict,
    QueueUnavailable,
    RunNotFound,
    TaskFailed,
)
from taskmapr.core.events import Event, RunFinished, data_of, kind_of
from taskmapr.core.ports import Parcel, Sealer
from taskmapr.core.run_kinds import TASK
from taskmapr.core.run_state import FAILED, RUNNING, TIMED_OUT, RunState, advance, fold
from taskmapr.foundation.telemetry import task_lines

logger = logging.getLogger(__name__)


class RunHeld(Conflict):
    """A worker holds the run; it must be told by a command."""

    code, title = "run_held", "Run is being worked on"


@dataclass(slots=True)
class UnheldRun:
    """A locked run with its whole log; `append` collects, `unheld` stores."""

    run: Run
    events: list[Event]
    state: RunState
    sealer: Sealer | None
    added: list[Event]

    def append(self, payload: object) -> Event:
        """Add one event. Raises IllegalMove when the state forbids it."""
        event = Event(
            self.run.pk,
            self.state.seq + 1,
            kind_of(payload).name,
            fit_to_store(data_of(payload)),
            datetime.now(UTC),
        )
        self.state = advance(self.state, event)
        self.added.append(event)
        return event

    def store(self) -> None:
        """Write what was appended, and the columns that follow from it; announce on commit."""
        stored = [encode(event, self.sealer) for event in self.added]
        events_copy(stored)
        self.run.status = self.state.status
        self.run.last_seq = self.state.seq
        self.run.save(update_fields=["status", "last_seq"])
        self._announce_on_commit(stored)

    def finish(self, verdict: Verdict) -> list[UUID]:
        """End the run, if its log has no end yet. Returns the runs of its session that may be
        enqueued now."""
        if self.state.is_final:
            return self.conclude()
        transcript = Transcript([*self.events, *self.added])
        totals = Totals(
            model=self.run.model,
            started_at=self.run.created_at,
            cost_usd_micros=transcript.cost_usd_micros,
            first_output_ms=self.run.first_output_ms,
        )
        for payload in last_events(self.state, verdict, totals):
            self.append(payload)
        finished = RunFinished(**self.added[-1].data)
        ending = ending_of(
            finished,
            verdict=verdict,
            totals=totals,
            transcript=transcript,
            session_id=self.run.session_id,
            sealer=self.sealer,
        )
        stored = [encode(event, self.sealer) for event in self.added]
        batch = RunBatch(
            run_id=self.run.pk, lease_token=self.run.lease_token, events=stored, ending=ending
        )
        _, successors = batches_write([batch])
        self._announce_on_commit(stored)
        if self.run.kind == TASK.name:
            transaction.on_commit(partial(_task_end_tell, self.run, verdict))
        return successors

    def conclude(self) -> list[UUID]:
        """Give the row the end that its log has: the worker was lost after it had told readers.

        Returns the same as `finish`.
        """
        told = {event.kind: event.data for event in self.events}
        finished, sums = RunFinished(**told["run.finished"]), told.get("metadata", {})
        error = told.get("error") if finished.status in {FAILED, TIMED_OUT} else None
        ending = ending_of(
            finished,
            verdict=Verdict(
                error=TaskFailed(error["code"], error["message"]) if error else None,
                cancel_reason=finished.reason or "",
            ),
            totals=Totals(
                model=sums.get("model") or self.run.model,
                started_at=self.run.created_at,
                cost_usd_micros=finished.cost_usd_micros,
                first_output_ms=sums.get("first_output_ms"),
            ),
            transcript=Transcript(self.events),
            session_id=self.run.session_id,
            sealer=self.sealer,
        )
        batch = RunBatch(
            run_id=self.run.pk,
            lease_token=self.run.lease_token,
            events=[encode(self.events[-1], self.sealer)],
            ending=ending,
            may_be_stored=True,
        )
        return batches_write([batch])[1]

    def _announce_on_commit(self, stored: Sequence[StoredEvent]) -> None:
        if not stored:
            return
        parcel = Parcel(
            self.run.pk,
            self.run.lease_token,
            stored[-1].seq,
            pack(stored),
            stored[-1].kind == "run.finished",
        )
        transaction.on_commit(partial(wired.ports().log.announce, parcel))


def _task_end_tell(run: Run, verdict: Verdict) -> None:
    """No worker does it: none held the run."""
    code = verdict.error.code if verdict.error is not None else ""
    task_lines.task_ended(str(run.pk), run.subject, status=verdict.status, seconds=None, code=code)


def run_take_unheld(run_id: UUID) -> UnheldRun:
    """Lock a run that nobody holds and fence off whoever held it before.

    Must be called inside a transaction; the lock lasts until its end. Raises RunNotFound,
    AlreadyFinished and RunHeld. Events that a lost worker left in Redis are stored first.
    """
    run, is_held = _locked(run_id)
    if run.is_final:
        raise AlreadyFinished(details={"status": run.status})
    if is_held:
        raise RunHeld
    run.lease_token += 1
    run.lease_owner, run.lease_expires_at = "", None
    run.save(update_fields=["lease_token", "lease_owner", "lease_expires_at"])
    sealer = wired.ports().sealers.for_user(run.owner_id) if run.is_sealed else None
    events = events_all(run_id, sealer)
    if run.status == RUNNING:
        events += _drained(run, after=events[-1].seq, sealer=sealer)
    return UnheldRun(run=run, events=events, state=fold(events), sealer=sealer, added=[])


def run_lock(run_id: UUID) -> Run:
    """The run's row, locked until the end of the transaction; its session's before it.

    Raises RunNotFound.
    """
    return _locked(run_id)[0]


def _locked(run_id: UUID) -> tuple[Run, bool]:
    """The same, and whether a lease on the run is alive by the database's clock."""
    held = Case(
        When(Q(lease_expires_at__gt=Now()), then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )
    sessions_lock(_session_of(run_id))
    run = Run.objects.select_for_update().annotate(is_held=held).filter(pk=run_id).first()
    if run is None:
        raise RunNotFound
    return run, run.is_held


def _session_of(run_id: UUID) -> list[str]:
    found = Run.objects.filter(pk=run_id).values_list("session_id", flat=True)
    return [session_id for session_id in found if session_id is not None]


def _drained(run: Run, *, after: int, sealer: Sealer | None) -> list[Event]:
    """What a lost worker told Redis and not Postgres, stored now. Gaps end it: order before
    length."""
    log = wired.ports().log
    try:
        log.fence(run.pk, run.lease_token)
        bodies = log.read(run.pk, after)
    except QueueUnavailable:
        logger.warning("run %s: live log away, events since %d may be lost", run.pk, after)
        return []
    # Sealed content is opened for the fold and sealed again: the store gets what Redis had.
    left = [event for body in bodies for event in unpack(run.pk, body, sealer, after)]
    drained = []
    for seq, event in enumerate(left, after + 1):
        if event.seq != seq:
            break
        drained.append(event)
    events_copy(encode(event, sealer) for event in drained)
    return drained
