"""Starting a run while Postgres is away: the counterpart of `orchestration.services.run_start`."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Final

from orchestration.log.endings import Verdict
from orchestration.log.wire import encode, pack
from orchestration.services.run_start import WAITING_RUNS, NewRun, StartedRun
from orchestration.standby.ending import standby_end
from orchestration.standby.records import (
    SESSIONS,
    StandbySetup,
    events_key,
    owner_key,
    run_key,
    session_key,
    setup_freeze,
)
from orchestration.standby.repeats import standby_key_held
from orchestration.standby.rows import (
    is_open,
    is_unheld,
    message_document,
    standby_enqueue,
    standby_now,
)
from taskmapr.core import wired
from taskmapr.core.errors import QueueUnavailable, SessionBusy, SessionForbidden
from taskmapr.core.events import Event, RunCreated, data_of
from taskmapr.core.ports import Document
from taskmapr.core.run_state import QUEUED

NOTE: Final = (
    "The database is away: this conversation is kept in memory for a day, and only tools that"
    " change nothing can be used."
)


def standby_run_start(new: NewRun, setup: StandbySetup) -> StartedRun:
    """Create a run in Redis and hand it to the queue.

    Raises like `run_start`: SessionForbidden, SessionBusy, QueueUnavailable, RunRepeated,
    IdempotencyKeyReused.
    """
    with standby_key_held(owner_id=new.owner_id, run_id=new.run_id, once=new.once):
        return _start(new, setup)


def _start(new: NewRun, setup: StandbySetup) -> StartedRun:
    if new.session_id is None:
        raise ValueError("only runs of a session can begin without Postgres")
    store = wired.ports().standby
    known_owner = store.recall(owner_key(new.session_id))
    if known_owner not in (None, str(new.owner_id)):
        raise SessionForbidden
    at = datetime.now(UTC)
    store.update(run_key(new.run_id), lambda _: (_record(new, setup, at), None))

    def created_of(begun: tuple[bool, bool]) -> Event:
        return _created(new, begun[0] or known_owner is not None, at)

    begun = store.update(
        session_key(new.session_id),
        partial(_begin, new=new, at=at),
        adding=lambda begun: {events_key(new.run_id): pack([encode(created_of(begun))])},
    )
    # Afterwards: whoever moves sessions takes the mark from one that is not there.
    store.mark(SESSIONS, new.session_id)
    created, waiting = created_of(begun), begun[1]
    if not waiting:
        try:
            standby_enqueue([new.run_id])
        except QueueUnavailable as error:
            standby_end(new.run_id, Verdict(error=error), when=is_unheld)
            raise
    return StartedRun(run_id=new.run_id, created=created, is_waiting=waiting)


def _record(new: NewRun, setup: StandbySetup, at: datetime) -> Document:
    return {
        "kind": new.kind,
        "owner_id": str(new.owner_id),
        "session_id": new.session_id,
        "profile_id": new.profile_id,
        "profile_version": new.profile_version,
        "input": dict(new.input),
        "model": new.model,
        "request_id": new.request_id,
        "created_at": at.timestamp(),
        "setup": setup_freeze(setup),
    }


def _begin(
    document: Document | None, *, new: NewRun, at: datetime
) -> tuple[Document, tuple[bool, bool]]:
    resumed = document is not None
    document = document or {
        "session_id": new.session_id,
        "user_id": str(new.owner_id),
        "created_at": at.timestamp(),
        "title": new.prompt[:80],
        "runs": {},
        "messages": [],
    }
    if document["user_id"] != str(new.owner_id):
        raise SessionForbidden
    open_runs = [run for run in document["runs"].values() if is_open(run)]
    if len(open_runs) > WAITING_RUNS:
        raise SessionBusy
    document["runs"][str(new.run_id)] = {
        "status": QUEUED,
        "enqueued_at": None if open_runs else standby_now(),
        "lease_owner": "",
        "lease_token": 0,
        "lease_until": 0.0,
        "attempt": 0,
        "started_at": None,
        "deadline_at": None,
        "last_seq": 1,
    }
    document["messages"].append(message_document(new.run_id, 0, "user", new.prompt, at))
    return document, (resumed, bool(open_runs))


def _created(new: NewRun, resumed: bool, at: datetime) -> Event:
    payload = RunCreated(
        run_kind=new.kind,
        model=new.model,
        persistence="memory",
        session_id=new.session_id,
        session_resumed=resumed,
        page=dict(new.page) if new.page is not None else None,
        dropped=new.dropped,
        warnings=[NOTE, *new.warnings],
    )
    return Event(new.run_id, 1, "run.created", data_of(payload), at)
