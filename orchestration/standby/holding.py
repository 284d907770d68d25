"""What a worker does with runs while Postgres is away: claim, renew, be told, write."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings

from orchestration.log.store import Ending, RunBatch
from orchestration.log.wire import StoredEvent, pack
from orchestration.models.command import CommandKind
from orchestration.services.leases import Claim
from orchestration.standby.records import (
    commands_key,
    events_key,
    run_key,
    session_key,
    setup_thaw,
)
from orchestration.standby.rows import (
    RunRow,
    is_open,
    message_document,
    on_known_run,
    on_run,
    standby_events,
    standby_now,
    time_of,
)
from taskmapr.core import wired
from taskmapr.core.ports import Document
from taskmapr.core.run_state import QUEUED, RUNNING


def standby_lease_claim(*, run_id: UUID, worker_id: str) -> Claim | None:
    """Take a queued run. None when it is not to be had."""
    store = wired.ports().standby
    record = store.read(run_key(run_id))
    if record is None:
        return None
    setup = setup_thaw(record["setup"])
    limit_s = setup.profile.run_timeout_s or settings.TASKMAPR["run_timeout_s"]

    def take(run: RunRow) -> RunRow | None:
        now = standby_now()
        if run["status"] != QUEUED or run["enqueued_at"] is None or run["lease_until"] > now:
            return None
        run |= {
            "status": RUNNING,
            "lease_owner": worker_id,
            "lease_token": run["lease_token"] + 1,
            "lease_until": now + settings.TASKMAPR["lease_ttl_s"],
            "attempt": run["attempt"] + 1,
            "started_at": now,
            "deadline_at": now + limit_s,
        }
        return run

    run = on_run(record["session_id"], run_id, take)
    if run is None:
        return None
    return Claim(
        run_id=run_id,
        kind=record["kind"],
        owner_id=UUID(record["owner_id"]),
        session_id=record["session_id"],
        profile_id=record["profile_id"],
        input=record["input"],
        model=record["model"],
        request_id=record["request_id"],
        lease_token=run["lease_token"],
        attempt=run["attempt"],
        created_at=time_of(record["created_at"]),
        deadline_at=datetime.now(UTC) + timedelta(seconds=limit_s),
        events=standby_events(run_id, 0),
        sealer=None,
        standby=setup,
    )


def standby_leases_renew(*, worker_id: str, run_ids: Collection[UUID]) -> set[UUID]:
    """Prolong these leases; returns those that are still ours."""

    def renew(run: RunRow) -> bool:
        is_ours: bool = run["lease_owner"] == worker_id
        if is_ours:
            run["lease_until"] = standby_now() + settings.TASKMAPR["lease_ttl_s"]
        return is_ours

    return {run_id for run_id in run_ids if on_known_run(run_id, renew)}


def standby_hand_back(*, run_id: UUID, lease_token: int) -> None:
    """Give up a running run; the sweep ends it."""

    def give_up(run: RunRow) -> None:
        if run["lease_token"] == lease_token:
            run |= {"lease_owner": "", "lease_until": 0.0}

    on_known_run(run_id, give_up)


def standby_commands_take(run_ids: Collection[UUID]) -> list[tuple[UUID, CommandKind, str, Any]]:
    """The commands that wait for these runs, each once: (run, kind, by, data)."""
    store = wired.ports().standby
    said = [
        (run_id, orjson.loads(c)) for run_id in run_ids for c in store.take(commands_key(run_id))
    ]
    return [(run_id, CommandKind(c["kind"]), c["by"], c["data"]) for run_id, c in said]


def standby_batches_write(batches: Sequence[RunBatch]) -> tuple[set[UUID], list[UUID]]:
    """The counterpart of `batches_write`: (runs that were fenced off, runs whose turn it is)."""
    fenced: set[UUID] = set()
    successors: list[UUID] = []
    for batch in batches:
        found = _write(batch)
        if found is None:
            fenced.add(batch.run_id)
        else:
            successors += found
    return fenced, successors


#: What a write adds to the log, and the runs whose turn it is now.
_Written = tuple[list[StoredEvent], list[UUID]]


def _write(batch: RunBatch) -> list[UUID] | None:
    """The runs whose turn it is now; None when somebody else holds the run."""
    store = wired.ports().standby
    record = store.read(run_key(batch.run_id))
    if record is None:
        return None
    # The log and the row change as one: a write that is tried again must not be there twice.
    written: _Written | None = store.update(
        session_key(record["session_id"]),
        partial(_written, batch=batch),
        adding=lambda new: {events_key(batch.run_id): pack(new[0])} if new and new[0] else {},
    )
    return None if written is None else written[1]


def _written(
    document: Document | None, *, batch: RunBatch
) -> tuple[Document | None, _Written | None]:
    run = document["runs"].get(str(batch.run_id)) if document else None
    if document is None or run is None or run["lease_token"] != batch.lease_token:
        return document, None
    if not is_open(run):
        return document, ([], _at_turn(document))  # it was written, and nobody heard of it
    missing = [event for event in batch.events if event.seq > run["last_seq"]]
    run["last_seq"] = max(run["last_seq"], batch.events[-1].seq)
    if batch.ending is None:
        return document, (missing, [])
    _close(document, run, batch.run_id, batch.ending)
    return document, (missing, _next_in(document))


def _close(document: Document, run: RunRow, run_id: UUID, ending: Ending) -> None:
    answer = ending.answer
    kept = {**asdict(ending), "finished_at": ending.finished_at.timestamp()}
    del kept["answer"]
    run |= {"status": ending.status, "lease_owner": "", "lease_until": 0.0, "ending": kept}
    if answer is not None:
        document["messages"].append(
            message_document(
                run_id,
                1,
                "assistant",
                answer.content,
                ending.finished_at,
                actions=answer.actions,
                items=answer.items,
                is_partial=answer.is_partial,
            )
        )


def _next_in(document: Document) -> list[UUID]:
    """Give the oldest waiting run its turn, if nothing else is under way."""
    open_runs = {run_id: run for run_id, run in document["runs"].items() if is_open(run)}
    if not open_runs or any(run["enqueued_at"] is not None for run in open_runs.values()):
        return []
    run_id, run = next(iter(open_runs.items()))
    run["enqueued_at"] = standby_now()
    return [UUID(run_id)]


def _at_turn(document: Document) -> list[UUID]:
    """Runs that may be taken. One of them may be queued already: a job too many does no harm."""
    return [
        UUID(run_id)
        for run_id, run in document["runs"].items()
        if run["status"] == QUEUED and run["enqueued_at"] is not None
    ]
