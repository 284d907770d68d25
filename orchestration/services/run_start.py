"""Starting a run: the one place where a Run row comes into being."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import connection, transaction

from orchestration.log.wire import seal_data
from orchestration.services.deliveries import deliveries_forget, delivery_register
from orchestration.services.idempotency import Once, key_release, key_take
from orchestration.services.run_end import run_fail
from orchestration.services.run_queue import run_enqueue
from taskmapr.core import wired
from taskmapr.core.errors import QueueUnavailable, SessionBusy, SessionForbidden, TooMany
from taskmapr.core.events import Event, RunCreated, data_of
from taskmapr.core.ids import uuid7
from taskmapr.core.ports import AskedRun
from taskmapr.core.run_kinds import TASK, RunKind, run_kind

#: Runs of a session that may wait behind the one under way.
WAITING_RUNS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """Everything that a run begins with."""

    run_id: UUID
    kind: str
    owner_id: UUID
    session_id: str | None
    #: The accepted request, redacted; the kind's engine knows its shape.
    input: Mapping[str, Any]
    #: What the person said, kept as the session's message.
    prompt: str = ""
    model: str = ""
    profile_id: int | None = None
    profile_version: int = 0
    request_id: str = ""
    page: Mapping[str, Any] | None = None
    dropped: int = 0
    warnings: tuple[str, ...] = ()
    #: A repeat of the request finds this run instead of beginning another.
    once: Once | None = None
    #: What is to be done and how, where the kind has names for it (columns of the run).
    subject: str = ""
    mode: str = ""
    mode_reason: str = ""
    credential: str = ""
    #: Empty: the queue of the kind.
    queue: str = ""
    #: 0 to 9, the greatest first. Who waits for an answer comes first.
    priority: int = 9
    max_attempts: int = 0
    timeout_s: float | None = None
    #: Not before; then nothing is queued now.
    due_at: datetime | None = None
    #: What it costs at most, in millionths of a US dollar; 0: not known before.
    cost_usd_micros: int = 0
    #: So many runs of this kind may be open under its credential; 0: any number.
    most_open: int = 0
    #: Where its end is told: written down with the run, or not at all.
    callback_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedRun:
    """The run exists. `is_waiting`: it is begun later, when its time has come or the session's
    earlier runs are done."""

    run_id: UUID
    created: Event
    is_waiting: bool


def run_start(new: NewRun) -> StartedRun:
    """Create a run, write its first event and hand it to the queue.

    The session comes into being with its first run; two simultaneous first uses cannot give it two
    owners. Raises SessionForbidden, SessionBusy (one under way and WAITING_RUNS behind it), TooMany
    (`most_open`), QueueUnavailable and what the policy raises (QuotaExceeded); after each of them
    no run is left open. Raises RunRepeated and IdempotencyKeyReused when `once` says that the
    request came before.
    """
    kind = run_kind(new.kind)
    started = _create(new, kind)
    if not started.is_waiting:
        try:
            run_enqueue(run_id=new.run_id, queue=new.queue or kind.queue, priority=new.priority)
        except QueueUnavailable as error:
            # Who asked is told at once, and by nothing else.
            deliveries_forget(run_id=new.run_id)
            run_fail(run_id=new.run_id, error=error)
            if new.once is not None:
                key_release(run_id=new.run_id)
            raise
    return started


def run_create(new: NewRun) -> StartedRun:
    """The same within the caller's transaction and without the queue, where the caller puts it when
    that has succeeded."""
    return _create(new, run_kind(new.kind))


# One row per session and a lock on it: the starts in a session stand in line here. A row that
# was there before has been updated, so its xmax is set.
_SESSION: Final = """
INSERT INTO agent_sessions AS s (session_id, user_id, title) VALUES (%s, %s, %s)
ON CONFLICT (session_id) DO UPDATE SET
  updated_at = CASE WHEN s.user_id = excluded.user_id THEN now() ELSE s.updated_at END
RETURNING s.user_id, s.xmax <> 0
"""

_OPEN_IN_SESSION: Final = """
SELECT count(*) FROM agent_runs
WHERE session_id = %s AND status IN ('queued', 'running', 'retrying', 'paused')
"""

# The run, its first event and the person's message in one statement: one round trip.
_RUN: Final = """
WITH run AS (
  INSERT INTO agent_runs (id, kind, owner_id, session_id, profile_id, profile_version, status,
      is_sealed, input, model, queue, request_id, subject, mode, credential, priority,
      max_attempts, timeout_s, due_at, last_seq, created_at, enqueued_at)
  VALUES (%(id)s, %(kind)s, %(owner)s, %(session)s, %(profile)s, %(profile_version)s, 'queued',
      %(sealed)s, %(input)s::jsonb, %(model)s, %(queue)s, %(request_id)s, %(subject)s, %(mode)s,
      %(credential)s, %(priority)s, %(max_attempts)s, %(timeout_s)s, %(due_at)s, 1, %(at)s,
      CASE WHEN %(waiting)s THEN NULL ELSE now() END)
  RETURNING id
), event AS (
  INSERT INTO agent_run_events (run_id, seq, kind, data, at)
  VALUES (%(id)s, 1, 'run.created', %(data)s::jsonb, %(at)s)
)
INSERT INTO agent_messages (id, session_id, run_id, position, role, content, is_sealed, created_at)
SELECT %(message)s, %(session)s, run.id, 0, 'user', %(prompt)s, %(sealed)s, %(at)s FROM run
WHERE %(session)s::text IS NOT NULL
"""


@transaction.atomic
def _create(new: NewRun, kind: RunKind) -> StartedRun:
    resumed, waiting, keys = False, False, None
    with connection.cursor() as cursor:
        if new.once is not None:
            keys = key_take(cursor, owner_id=new.owner_id, run_id=new.run_id, once=new.once)
        if new.most_open:
            _check_open(cursor, new)
        if new.session_id is not None:
            title = "" if kind.sealed else new.prompt[:80]
            cursor.execute(_SESSION, [new.session_id, str(new.owner_id), title])
            owner, resumed = cursor.fetchone()
            if owner != str(new.owner_id):
                raise SessionForbidden
            waiting = _is_waiting(cursor, new.session_id)
        # Last of all locks, so that whoever has it waits for nobody.
        new = run_permit(new)
        waiting = waiting or new.due_at is not None
        first = data_of(run_created(new, session_resumed=resumed))
        created = Event(new.run_id, 1, "run.created", first, datetime.now(UTC))
        sealer = wired.ports().sealers.for_user(new.owner_id, keys) if kind.sealed else None
        cursor.execute(
            _RUN,
            {
                "id": new.run_id,
                "kind": new.kind,
                "owner": new.owner_id,
                "session": new.session_id,
                "profile": new.profile_id,
                "profile_version": new.profile_version,
                "sealed": kind.sealed,
                "input": _json(
                    new.input if sealer is None else {"sealed": sealer.seal(dict(new.input))}
                ),
                "model": new.model,
                "queue": new.queue or kind.queue,
                "request_id": new.request_id,
                "subject": new.subject,
                "mode": new.mode,
                "credential": new.credential,
                "priority": new.priority,
                "max_attempts": new.max_attempts,
                "timeout_s": new.timeout_s,
                "due_at": new.due_at,
                "at": created.at,
                "waiting": waiting,
                "data": _json(seal_data(created.kind, created.data, sealer)),
                "message": uuid7(),
                "prompt": new.prompt if sealer is None else sealer.seal({"content": new.prompt}),
            },
        )
    if new.callback_url is not None:
        delivery_register(run_id=new.run_id, url=new.callback_url)
    return StartedRun(run_id=new.run_id, created=created, is_waiting=waiting)


# Starts under one credential stand in line here, so that none of them miscounts.
_IN_LINE: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_OPEN_OF_CREDENTIAL: Final = """
SELECT count(*) FROM agent_runs WHERE kind = %s AND credential = %s AND credential <> ''
  AND status IN ('queued', 'running', 'retrying', 'paused')
"""


def _check_open(cursor: Any, new: NewRun) -> None:
    cursor.execute(_IN_LINE, [f"{new.kind} {new.credential}"])
    cursor.execute(_OPEN_OF_CREDENTIAL, [new.kind, new.credential])
    (open_runs,) = cursor.fetchone()
    if open_runs >= new.most_open:
        raise TooMany(f"{open_runs} jobs are under way; {new.most_open} may be.", retry_after_s=2)


def _is_waiting(cursor: Any, session_id: str) -> bool:
    cursor.execute(_OPEN_IN_SESSION, [session_id])
    (open_runs,) = cursor.fetchone()
    if open_runs > WAITING_RUNS:
        raise SessionBusy
    return bool(open_runs)


def run_permit(new: NewRun) -> NewRun:
    """The same run, with the warnings of the policy, which reserved what it may take. Belongs into
    the transaction that creates it. Raises QuotaExceeded and NotAllowed."""
    asked = AskedRun(
        run_id=new.run_id,
        user_id=new.owner_id,
        credential=new.credential,
        name=_name_of(new),
        cost_usd_micros=new.cost_usd_micros,
    )
    warnings = wired.ports().policy.check_run_start(asked)
    return replace(new, warnings=(*new.warnings, *warnings)) if warnings else new


def _name_of(new: NewRun) -> str:
    """As quotas name it: a task has one name, whether it is assigned or asked for as an intent."""
    if new.kind == TASK.name:
        return f"task.{new.subject}"
    return new.subject or new.kind


def run_created(new: NewRun, *, session_resumed: bool = False) -> RunCreated:
    """The payload of the run's first event."""
    return RunCreated(
        run_kind=new.kind,
        model=new.model,
        session_id=new.session_id,
        session_resumed=session_resumed,
        page=dict(new.page) if new.page is not None else None,
        dropped=new.dropped,
        warnings=list(new.warnings) or None,
        subject=new.subject or None,
        mode=new.mode or None,
        mode_reason=new.mode_reason or None,
    )


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
