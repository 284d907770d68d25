"""Moving sessions that began in Redis to Postgres, when that is back."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from agents_cfg.models import OverlayProfile
from orchestration.log.store import events_copy, sessions_lock
from orchestration.log.wire import encode
from orchestration.models import Message, Run, Session
from orchestration.standby.records import (
    SESSIONS,
    commands_key,
    events_key,
    run_key,
    session_key,
)
from orchestration.standby.rows import is_open, standby_events, time_of
from taskmapr.core import wired
from taskmapr.core.ports import Document
from taskmapr.core.run_kinds import run_kind
from taskmapr.users.models import User


def standby_session_move(session_id: str) -> int:
    """Write a session whose runs have all ended to Postgres, and forget it in Redis.

    Returns the number of runs; 0 when something is still under way. Doing it twice is harmless. A
    session of that name that belongs to somebody else is left alone: ours gets another name.
    """
    store = wired.ports().standby
    document = store.read(session_key(session_id))
    if document is None:
        _unmark(session_id)
        return 0
    if any(is_open(run) for run in document["runs"].values()):
        return 0
    moved = _stored(document) if User.objects.filter(pk=document["user_id"]).exists() else 0
    if store.update(session_key(session_id), lambda now: _dropped(now, document)):
        _unmark(session_id)
    ids = document["runs"]
    store.forget(*(key(run_id) for run_id in ids for key in (run_key, events_key, commands_key)))
    return moved


def _unmark(session_id: str) -> None:
    """There is nothing to move, unless a run began in this very moment."""
    store = wired.ports().standby
    store.unmark(SESSIONS, session_id)
    if store.read(session_key(session_id)) is not None:
        store.mark(SESSIONS, session_id)


def _dropped(now: Document | None, moved: Document) -> tuple[Document | None, bool]:
    """What is left of the document: runs that began while it was moved."""
    left = {k: run for k, run in (now or {"runs": {}})["runs"].items() if k not in moved["runs"]}
    if now is None or not left:
        return None, True
    known = {message["id"] for message in moved["messages"]}
    messages = [message for message in now["messages"] if message["id"] not in known]
    return {**now, "runs": left, "messages": messages}, False


@transaction.atomic
def _stored(document: Document) -> int:
    session_id = _session(document)
    run_ids = [UUID(run_id) for run_id in document["runs"]]
    _strays_remove(run_ids)
    known = set(Run.objects.filter(pk__in=run_ids).values_list("pk", flat=True))
    records = {
        run_id: record
        for run_id in run_ids
        if run_id not in known and (record := wired.ports().standby.read(run_key(run_id)))
    }
    # A session that was used for longer than a day outlives what was kept of its first runs.
    missing = list(records)
    Run.objects.bulk_create(
        _run(run_id, records[run_id], document["runs"][str(run_id)], session_id)
        for run_id in missing
    )
    events_copy(encode(event) for run_id in missing for event in standby_events(run_id, 0))
    Message.objects.bulk_create(
        _message(message, session_id)
        for message in document["messages"]
        if UUID(message["run_id"]) in missing
    )
    return len(missing)


def _session(document: Document) -> str:
    """The name under which the session is in Postgres now; its row is locked."""
    wanted: str = document["session_id"]
    session = Session(
        session_id=wanted,
        user_id=document["user_id"],
        created_at=time_of(document["created_at"]),
        updated_at=time_of(document["created_at"]),
        title=document["title"],
    )
    Session.objects.bulk_create([session], ignore_conflicts=True)
    sessions_lock([wanted])
    if Session.objects.get(pk=wanted).user_id != document["user_id"]:
        session.session_id = f"{wanted}-{secrets.token_hex(4)}"
        session.save(force_insert=True)
    return session.session_id


def _strays_remove(run_ids: list[UUID]) -> None:
    """Runs whose start was committed although its answer was lost: they began anew in Redis."""
    strays = Run.objects.filter(pk__in=run_ids, status="queued", last_seq=1)
    if not strays.exists():
        return
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL taskmapr.erasing = 'on'")
        cursor.execute("DELETE FROM agent_run_events WHERE run_id = ANY(%s)", [run_ids])
        strays.delete()
        cursor.execute("SET LOCAL taskmapr.erasing = 'off'")


def _run(run_id: UUID, record: Document, row: dict[str, Any], session_id: str) -> Run:
    ending = dict(row["ending"])
    finished_at = time_of(ending.pop("finished_at"))
    profile_id = record["profile_id"]
    is_known = profile_id and OverlayProfile.objects.filter(pk=profile_id).exists()
    return Run(
        id=run_id,
        kind=record["kind"],
        owner_id=UUID(record["owner_id"]),
        session_id=session_id,
        profile_id=profile_id if is_known else None,
        profile_version=record["profile_version"],
        input=record["input"],
        queue=run_kind(record["kind"]).queue,
        request_id=record["request_id"],
        attempt=row["attempt"],
        last_seq=row["last_seq"],
        lease_token=row["lease_token"],
        created_at=time_of(record["created_at"]),
        enqueued_at=time_of(record["created_at"]),
        started_at=time_of(row["started_at"]) if row["started_at"] else None,
        finished_at=finished_at,
        deadline_at=time_of(row["deadline_at"]) if row["deadline_at"] else None,
        **ending,
    )


def _message(message: Document, session_id: str) -> Message:
    fields = {**message, "created_at": time_of(message["created_at"])}
    return Message(**fields, session_id=session_id)
