"""Rows of runs and sessions as they lie in Redis, and the steps that everything else is made of."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from orchestration.log.wire import unpack
from orchestration.standby.records import events_key, run_key, session_key
from taskmapr.core import jobs, wired
from taskmapr.core.errors import RunNotFound
from taskmapr.core.events import Event
from taskmapr.core.ids import uuid7
from taskmapr.core.ports import Document
from taskmapr.core.run_kinds import run_kind
from taskmapr.core.run_state import FINAL_STATUSES

RunRow = dict[str, Any]


def standby_run(run_id: UUID, *, user_id: UUID | None = None) -> RunRow:
    """The run's row, with what never changes of it beside. Raises RunNotFound, also to others."""
    store = wired.ports().standby
    record = store.read(run_key(run_id))
    document = store.read(session_key(record["session_id"])) if record else None
    run = document["runs"].get(str(run_id)) if document else None
    if record is None or run is None or str(user_id or record["owner_id"]) != record["owner_id"]:
        raise RunNotFound
    return {**record, **run}


def standby_events(run_id: UUID, after: int) -> list[Event]:
    bodies = wired.ports().standby.items(events_key(run_id))
    return [event for body in bodies for event in unpack(run_id, body, None, after)]


def on_known_run(run_id: UUID, act: Callable[[RunRow], Any]) -> Any:
    record = wired.ports().standby.read(run_key(run_id))
    return on_run(record["session_id"], run_id, act) if record is not None else None


def on_run(session_id: str, run_id: UUID, act: Callable[[RunRow], Any]) -> Any:
    """`act` on the run's row inside its session's document; it may change the row. None without
    such a run."""

    def change(document: Document | None) -> tuple[Document | None, Any]:
        run = document["runs"].get(str(run_id)) if document else None
        return document, act(run) if run is not None else None

    return wired.ports().standby.update(session_key(session_id), change)


def is_open(run: RunRow) -> bool:
    return run["status"] not in FINAL_STATUSES


def is_unheld(run: RunRow) -> bool:
    return not run["lease_owner"] or bool(run["lease_until"] <= standby_now())


def standby_now() -> float:
    """The time by which leases and waits begin and end, in whatever process."""
    return wired.ports().standby.now()


def time_of(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def message_document(
    run_id: UUID, position: int, role: str, content: str, at: datetime, **more: Any
) -> Document:
    return {
        "id": str(uuid7()),
        "run_id": str(run_id),
        "position": position,
        "role": role,
        "content": content,
        "actions": [],
        "items": [],
        "is_partial": False,
        "created_at": at.timestamp(),
        **more,
    }


def standby_enqueue(run_ids: Collection[UUID]) -> None:
    """Hand runs to their queues. Raises QueueUnavailable."""
    for run_id in run_ids:
        record = wired.ports().standby.read(run_key(run_id))
        if record is not None:
            queue = run_kind(record["kind"]).queue
            wired.ports().queue.enqueue(jobs.RUN_EXECUTE_STANDBY, str(run_id), queue=queue)
