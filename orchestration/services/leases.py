"""Leases: which worker may write a run. Clocks are the database's; tokens fence off who lost
one."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection, transaction

from orchestration.log.store import events_all
from orchestration.log.unheld import run_lock, run_take_unheld
from orchestration.log.wire import unpack
from orchestration.models import Command
from orchestration.services.run_end import end_if_cancelled
from orchestration.standby.records import StandbySetup
from taskmapr.core import wired
from taskmapr.core.events import Event
from taskmapr.core.ports import KeyUnavailable, Sealer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A run that this worker holds now, with all that its engine begins with."""

    run_id: UUID
    kind: str
    owner_id: UUID
    session_id: str | None
    profile_id: int | None
    input: Mapping[str, Any]
    model: str
    request_id: str
    lease_token: int
    attempt: int
    created_at: datetime
    #: By the clock of this process, which may differ from the database's.
    deadline_at: datetime
    #: The log so far. For a first attempt only run.created.
    events: list[Event]
    sealer: Sealer | None
    #: Columns of the run.
    subject: str = ""
    mode: str = ""
    credential: str = ""
    max_attempts: int = 0
    #: What the run was started with, when its row lies in Redis because Postgres is away.
    standby: StandbySetup | None = None


# The log comes along as `log.wire.pack` writes it: one round trip for everything. Rows are locked
# in the order of their ids, as by the writer of the log.
_CLAIM: Final = """
UPDATE agent_runs r SET
  lease_owner = %(worker)s, lease_token = lease_token + 1,
  lease_expires_at = now() + make_interval(secs => %(ttl)s),
  status = 'running', attempt = attempt + 1, started_at = coalesce(started_at, now()),
  deadline_at = coalesce(deadline_at, now() + make_interval(secs => coalesce(timeout_s,
    (SELECT p.run_timeout_s FROM agents_cfg_overlayprofile p WHERE p.id = profile_id),
    %(timeout)s)))
FROM (
  SELECT id FROM agent_runs
  WHERE id = ANY(%(ids)s) AND status IN ('queued', 'retrying') AND enqueued_at IS NOT NULL
    AND (lease_expires_at IS NULL OR lease_expires_at < now())
  ORDER BY id FOR NO KEY UPDATE
) AS free
WHERE r.id = free.id
RETURNING r.id, kind, owner_id, session_id, profile_id, input, model, request_id, subject, mode,
  credential, max_attempts, lease_token, attempt, created_at,
  extract(epoch FROM deadline_at - clock_timestamp())::float8, is_sealed, last_seq,
  (SELECT json_agg(json_build_array(e.seq, e.kind,
       (extract(epoch FROM e.at) * 1000000)::bigint, e.data) ORDER BY e.seq)::text
   FROM agent_run_events e WHERE e.run_id = r.id)
"""


def lease_claim(*, run_id: UUID, worker_id: str) -> Claim | None:
    """Take a queued run. None when it is not to be had: taken, finished, or not its turn."""
    return leases_claim(run_ids=[run_id], worker_id=worker_id).get(run_id)


def leases_claim(*, run_ids: Collection[UUID], worker_id: str) -> dict[UUID, Claim]:
    """Take queued runs; those that are not to be had, or not to be opened, are missing."""
    times = settings.TASKMAPR
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM,
            {
                "worker": worker_id,
                "ttl": times["lease_ttl_s"],
                "timeout": times["run_timeout_s"],
                "ids": list(run_ids),
            },
        )
        rows = cursor.fetchall()
    claims = {}
    for row in rows:
        try:
            claims[row[0]] = _claim(row)
        except KeyUnavailable:
            # Its lease lapses and recovery ends it; those beside it are not held up.
            logger.warning("run %s: its owner's data key is gone", row[0])
    return claims


def _claim(row: tuple[Any, ...]) -> Claim:
    (run_id, kind, owner, session, profile, stored, model, request_id, *rest) = row
    subject, mode, credential, max_attempts, token, attempt, *rest = rest
    created_at, left_s, is_sealed, last_seq, log = rest
    sealer = wired.ports().sealers.for_user(owner) if is_sealed else None
    given = orjson.loads(stored) if isinstance(stored, str) else stored
    return Claim(
        run_id=run_id,
        kind=kind,
        owner_id=owner,
        session_id=session,
        profile_id=profile,
        input=sealer.open(given["sealed"]) if sealer is not None else given,
        model=model,
        request_id=request_id,
        subject=subject,
        mode=mode,
        credential=credential,
        max_attempts=max_attempts,
        lease_token=token,
        attempt=attempt,
        created_at=created_at,
        deadline_at=datetime.now(UTC) + timedelta(seconds=left_s),
        events=_events(run_id, log, last_seq, sealer),
        sealer=sealer,
    )


def _events(run_id: UUID, log: str | None, last_seq: int, sealer: Sealer | None) -> list[Event]:
    """The log that came with the claim.

    A claim that waited for the row's lock sees the new row and the old log; then it is read again.
    """
    events = unpack(run_id, log.encode(), sealer) if log is not None else []
    if events and events[-1].seq == last_seq:
        return events
    return events_all(run_id, sealer)


# Rows are locked in the order of their ids, as by the writer of the log: neither waits in a circle.
_RENEW: Final = """
UPDATE agent_runs r SET lease_expires_at = now() + make_interval(secs => %s)
FROM (SELECT id FROM agent_runs WHERE lease_owner = %s AND id = ANY(%s)
      ORDER BY id FOR NO KEY UPDATE) AS held
WHERE r.id = held.id RETURNING r.id
"""


def leases_renew(*, worker_id: str, run_ids: Collection[UUID]) -> set[UUID]:
    """Prolong these leases; returns those that are still ours."""
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, [settings.TASKMAPR["lease_ttl_s"], worker_id, list(run_ids)])
        return {row[0] for row in cursor.fetchall()}


def lease_hand_back(*, run_id: UUID, lease_token: int) -> None:
    """Give up a running run so that recovery finds it at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE agent_runs SET lease_expires_at = now(), lease_owner = ''"
            " WHERE id = %s AND lease_token = %s",
            [run_id, lease_token],
        )


def attempt_count(*, run_id: UUID, lease_token: int, attempt: int) -> None:
    """The holder begins another attempt by itself."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE agent_runs SET attempt = %s WHERE id = %s AND lease_token = %s",
            [attempt, run_id, lease_token],
        )


@transaction.atomic
def run_put_off(*, run_id: UUID, lease_token: int, last_seq: int, delay_s: float) -> None:
    """Leave a run whose attempt failed to whoever looks for runs that are due (recovery); one that
    was cancelled meanwhile ends.

    Its working time moves on by the delay. Without effect when the lease is another's.
    """
    run_lock(run_id)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE agent_runs SET status = 'retrying', last_seq = %(seq)s, lease_owner = '',"
            " lease_expires_at = NULL, enqueued_at = NULL,"
            " due_at = now() + make_interval(secs => %(delay)s),"
            " deadline_at = deadline_at + make_interval(secs => %(delay)s)"
            " WHERE id = %(id)s AND lease_token = %(token)s",
            {"seq": last_seq, "delay": delay_s, "id": run_id, "token": lease_token},
        )
        is_left = bool(cursor.rowcount)
    if is_left:
        end_if_cancelled(run_take_unheld(run_id))


def commands_take(run_ids: Collection[UUID]) -> list[Command]:
    """The commands that wait for these runs, each once, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE agent_commands SET taken_at = now()"
            " WHERE run_id = ANY(%s) AND taken_at IS NULL RETURNING id",
            [list(run_ids)],
        )
        taken = [row[0] for row in cursor.fetchall()]
    return list(Command.objects.filter(pk__in=taken)) if taken else []
