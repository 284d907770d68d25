"""Ending runs that nobody holds while Postgres is away: cancelled, unclaimed, lost."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings

from orchestration.log.endings import Totals, Verdict, ending_of, last_events
from orchestration.log.store import Ending, RunBatch
from orchestration.log.transcript import Transcript
from orchestration.log.wire import StoredEvent, encode, fit_to_store, pack, unpack
from orchestration.models.command import CommandKind
from orchestration.standby.holding import standby_batches_write
from orchestration.standby.records import SESSIONS, commands_key, run_key, session_key
from orchestration.standby.rows import (
    RunRow,
    is_open,
    is_unheld,
    on_known_run,
    standby_enqueue,
    standby_events,
    standby_now,
    standby_run,
    time_of,
)
from taskmapr.core import wired
from taskmapr.core.errors import AlreadyFinished, NoWorker, QueueUnavailable, WorkerLost
from taskmapr.core.events import Event, RunFinished, data_of, kind_of
from taskmapr.core.ports import Document, Parcel
from taskmapr.core.run_state import QUEUED, RUNNING, advance, fold

logger = logging.getLogger(__name__)


def standby_cancel(
    *, run_id: UUID, user_id: UUID, by: str, reason: str = "cancelled_by_user"
) -> None:
    """The counterpart of `run_cancel`. Raises RunNotFound and AlreadyFinished."""
    while is_open(run := standby_run(run_id, user_id=user_id)):
        if not is_unheld(run):
            command = {"kind": CommandKind.CANCEL, "by": by, "data": {"reason": reason}}
            wired.ports().standby.push(commands_key(run_id), orjson.dumps(command))
            wired.ports().signals.ring(run["lease_owner"], run_id)
            return
        if standby_end(run_id, Verdict(cancel_reason=reason), when=is_unheld):
            return
        # Somebody took it or ended it in that moment: look again.
    raise AlreadyFinished(details={"status": run["status"]})


def standby_fail_unclaimed(*, run_id: UUID) -> bool:
    """End a run that no worker took for too long. False: somebody did, or it waits its turn."""
    limit = settings.TASKMAPR["no_worker_after_s"]

    def is_unclaimed(run: RunRow) -> bool:
        since = run["enqueued_at"]
        return run["status"] == QUEUED and since is not None and since + limit <= standby_now()

    return standby_end(run_id, Verdict(error=NoWorker()), when=is_unclaimed)


def standby_sweep() -> int:
    """End runs whose worker is gone, and queue those again whose job was lost.

    Safe for several workers at once. Returns how many were ended.
    """
    store = wired.ports().standby
    ended = 0
    for session_id in store.marked(SESSIONS):
        document = store.read(session_key(session_id)) or {"runs": {}}
        for run_id, run in document["runs"].items():
            try:
                ended += _looked_after(UUID(run_id), run)
            except QueueUnavailable:
                raise
            except Exception:
                # One run that cannot be ended must not keep the others, nor what is to be moved.
                logger.exception("run %s cannot be looked after", run_id)
    return ended


def _looked_after(run_id: UUID, run: RunRow) -> bool:
    """True when the run was ended."""
    if run["status"] == RUNNING and is_unheld(run):
        return standby_end(run_id, Verdict(error=WorkerLost()), when=is_unheld)
    if run["status"] == QUEUED and _is_overdue(run):
        _requeue(run_id)
    return False


def _is_overdue(run: RunRow) -> bool:
    """A worker's slots may be full; a job is taken for lost only when this is over, twice."""
    patience = 2 * settings.TASKMAPR["no_worker_after_s"]
    return run["enqueued_at"] is not None and run["enqueued_at"] + patience <= standby_now()


def _requeue(run_id: UUID) -> None:
    """Once for all workers that see it; a job too many finds the run taken."""

    def again(run: RunRow) -> bool:
        is_due = run["status"] == QUEUED and _is_overdue(run)
        if is_due:
            run["enqueued_at"] = standby_now()
        return is_due

    if on_known_run(run_id, again):
        standby_enqueue([run_id])


def standby_end(run_id: UUID, verdict: Verdict, *, when: Callable[[RunRow], bool]) -> bool:
    """Write the last events of a run that nobody holds.

    False when `when` says no by now, or somebody was faster.
    """

    def fence(run: RunRow) -> int | None:
        if not (is_open(run) and when(run)):
            return None
        run |= {"lease_token": run["lease_token"] + 1, "lease_owner": "", "lease_until": 0.0}
        return int(run["lease_token"])

    token = on_known_run(run_id, fence)
    if token is None:
        return False
    record = wired.ports().standby.read(run_key(run_id))
    assert record is not None  # noqa: S101 - it was there a moment ago
    stored = _closing(run_id, record, token, verdict)
    batch = RunBatch(run_id=run_id, lease_token=token, events=stored[0], ending=stored[1])
    fenced, successors = standby_batches_write([batch])
    if fenced:
        return False  # a worker took it in that moment, and goes on with it
    last = stored[0][-1]
    wired.ports().log.announce(Parcel(run_id, token, last.seq, pack(stored[0]), is_terminal=True))
    standby_enqueue(successors)
    return True


def _closing(
    run_id: UUID, record: Document, token: int, verdict: Verdict
) -> tuple[list[StoredEvent], Ending]:
    """What the store lacks of the log, and the end of it."""
    kept = standby_events(run_id, 0)
    left = _left_in_live_log(run_id, token, after=kept[-1].seq)
    state = fold([*kept, *left])
    transcript = Transcript([*kept, *left])
    totals = Totals(
        model=record["model"],
        started_at=time_of(record["created_at"]),
        cost_usd_micros=transcript.cost_usd_micros,
    )
    added: list[Event] = []
    finished: Any = None
    for finished in last_events(state, verdict, totals):
        data = fit_to_store(data_of(finished))
        event = Event(run_id, state.seq + 1, kind_of(finished).name, data, datetime.now(UTC))
        state = advance(state, event)
        added.append(event)
    assert isinstance(finished, RunFinished)  # noqa: S101 - last_events says so
    ending = ending_of(
        finished,
        verdict=verdict,
        totals=totals,
        transcript=transcript,
        session_id=record["session_id"],
        sealer=None,
    )
    return [encode(event) for event in (*left, *added)], ending


def _left_in_live_log(run_id: UUID, token: int, *, after: int) -> list[Event]:
    log = wired.ports().log
    try:
        log.fence(run_id, token)
        bodies = log.read(run_id, after)
    except QueueUnavailable:
        return []
    left = [event for body in bodies for event in unpack(run_id, body, None, after)]
    return [event for seq, event in enumerate(left, after + 1) if event.seq == seq]
