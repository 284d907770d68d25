"""The outbox: callbacks wait in the database until their run is over, and until they got through.

A worker takes one by a lease, so two never make the same attempt. If it is lost after sending and
before noting what came of it, the lease lapses and the attempt is made again, under the same
message id: receivers must expect a message more than once, and know it by `webhook-id`.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from orchestration.models import Delivery, DeliveryAttempt, Run
from orchestration.models.delivery import MAX_ATTEMPTS, DeliveryStatus
from orchestration.services.webhook_secrets import server_secret_ensure
from taskmapr.core import jobs, wired
from taskmapr.core.errors import (
    AddressNotAllowed,
    CallbackUrlNotAllowed,
    Conflict,
    QueueUnavailable,
)
from taskmapr.core.ids import uuid7
from taskmapr.core.run_state import FINAL_STATUSES
from taskmapr.foundation.http.guard import Lookup, address_check, egress_policy

logger = logging.getLogger(__name__)

#: Seconds between attempts; each is changed by up to a fifth, so that failed ones do not come back
#: all at once.
DELAYS_S: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400)
JITTER: Final = 0.2
#: A receiver may ask for at most so long a pause.
MAX_PAUSE_S: Final = 24 * 3_600
#: Seconds that an attempt may take beside the time that its receiver has to answer.
LEASE_ROOM_S: Final = 45

_FINAL: Final = sorted(FINAL_STATUSES)


# Registering -------------------------------------------------------------------------------------


def callback_url_check(url: str, *, lookup: Lookup | None = None) -> None:
    """Callbacks may go there as things stand. For doorways, before a run is started.

    Looks the host up: waits for three seconds at most, and belongs outside of transactions. The
    same is checked again before each attempt. Raises CallbackUrlNotAllowed.
    """
    try:
        address_check(url, policy=egress_policy(), lookup=lookup)
    except AddressNotAllowed as refusal:
        raise CallbackUrlNotAllowed(refusal.detail) from None


# Whether the run is over is asked by the statement that stores the callback. A run that ends in
# between is found by the sweep.
_REGISTER: Final = """
INSERT INTO agent_deliveries (id, run_id, url, status, next_attempt_at)
SELECT %(id)s, r.id, %(url)s,
  CASE WHEN r.status = ANY(%(final)s) THEN 'pending' ELSE 'waiting' END,
  CASE WHEN r.status = ANY(%(final)s) THEN statement_timestamp() END
FROM agent_runs r WHERE r.id = %(run)s
ON CONFLICT DO NOTHING RETURNING status
"""


@transaction.atomic
def delivery_register(*, run_id: UUID, url: str) -> None:
    """The run's end will be told to this URL, once, however often it is registered.

    url: one that `callback_url_check` let pass. A run that is over already is told of at once.
    Raises NotConfigured when nothing could sign it.
    """
    server_secret_ensure()
    with connection.cursor() as cursor:
        cursor.execute(_REGISTER, {"id": uuid7(), "url": url, "final": _FINAL, "run": run_id})
        row = cursor.fetchone()
    if row and row[0] == DeliveryStatus.PENDING:
        transaction.on_commit(deliveries_send_soon)


def deliveries_forget(*, run_id: UUID) -> None:
    """Nobody will be told of this run, which nobody was told has begun."""
    Delivery.objects.filter(run_id=run_id).delete()


@transaction.atomic
def delivery_redeliver(*, run_id: UUID) -> int:
    """Send the run's callbacks again, at once and with a fresh series of attempts.

    Message ids stay, so a receiver that had it knows it. Those that wait for the run's end, or are
    being sent, are left alone. Returns how many there are in all. Raises Conflict if there is none.
    """
    deliveries = Delivery.objects.filter(run_id=run_id)
    if not (count := deliveries.count()):
        raise Conflict("There is no callback to send again.")
    _again(deliveries)
    return count


@transaction.atomic
def delivery_send_again(*, delivery_id: UUID) -> None:
    """The same for one callback. Raises Conflict while its run goes on, or while it is sent."""
    if not _again(Delivery.objects.filter(pk=delivery_id)):
        raise Conflict("Its run is not over yet, or it is being sent right now.")


def _again(deliveries: QuerySet[Delivery]) -> int:
    is_free = Q(leased_until=None) | Q(leased_until__lt=Now())
    changed = (
        deliveries.exclude(status=DeliveryStatus.WAITING)
        .filter(is_free)
        .update(
            status=DeliveryStatus.PENDING,
            next_attempt_at=Now(),
            finished_at=None,
            leased_until=None,
            gives_up_after=F("attempts") + MAX_ATTEMPTS,
        )
    )
    transaction.on_commit(deliveries_send_soon)
    return changed


def deliveries_send_soon() -> None:
    """Tell workers that something is due. If the queue is away, the sweep finds it."""
    try:
        wired.ports().queue.enqueue(jobs.DELIVERIES_SEND, queue=jobs.QUEUE_DELIVERIES)
    except QueueUnavailable:
        logger.warning("queue away; callbacks wait for the sweep")


# When runs end -----------------------------------------------------------------------------------

_MARK_DUE: Final = """
UPDATE agent_deliveries d SET status = 'pending', next_attempt_at = statement_timestamp()
FROM agent_runs r
WHERE d.status = 'waiting' AND r.id = d.run_id AND r.status = ANY(%s)
"""


def deliveries_mark_due(run_ids: Sequence[UUID] | None = None) -> int:
    """Callbacks of runs that are over become due. None: of all runs. Returns how many."""
    only = "" if run_ids is None else " AND d.run_id = ANY(%s)"
    with connection.cursor() as cursor:
        cursor.execute(_MARK_DUE + only, [_FINAL, *([] if run_ids is None else [list(run_ids)])])
        return int(cursor.rowcount)


def runs_ended(run_ids: Sequence[UUID]) -> None:
    """These runs have just ended: their callbacks, if there are any, are sent now.

    Only for speed; the sweep would find them.
    """
    if deliveries_mark_due(run_ids):
        deliveries_send_soon()


# Sending -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDelivery:
    """A callback that this worker, and no other, is about to send."""

    id: UUID
    run_id: UUID
    owner_id: UUID
    run_kind: str
    is_sealed: bool
    url: str
    attempts: int
    gives_up_after: int
    lease_token: int

    @property
    def message_id(self) -> str:
        return f"msg_{self.id.hex}"


_CLAIM: Final = """
UPDATE agent_deliveries d
SET leased_until = statement_timestamp() + make_interval(secs => %s),
  lease_token = d.lease_token + 1
FROM agent_runs r
WHERE r.id = d.run_id AND d.id IN (
  SELECT id FROM agent_deliveries
  WHERE status = 'pending' AND next_attempt_at <= statement_timestamp()
    AND (leased_until IS NULL OR leased_until < statement_timestamp())
  ORDER BY next_attempt_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING d.id, d.run_id, r.owner_id, r.kind, r.is_sealed, d.url, d.attempts, d.gives_up_after,
  d.lease_token
"""


def deliveries_claim(limit: int) -> list[HeldDelivery]:
    """Take up to `limit` callbacks that are due, for longer than an attempt can take."""
    lease_s = settings.TASKMAPR["callback_timeout_s"] + LEASE_ROOM_S
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [lease_s, limit])
        return [
            HeldDelivery(
                id=row[0],
                run_id=row[1],
                owner_id=row[2],
                run_kind=row[3],
                is_sealed=row[4],
                url=row[5],
                attempts=row[6],
                gives_up_after=row[7],
                lease_token=row[8],
            )
            for row in cursor.fetchall()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an attempt. `status_code` is None when there was no answer; `excerpt` is as the
    table keeps it."""

    duration_ms: int
    status_code: int | None = None
    excerpt: str = ""
    error: str = ""
    #: Seconds that the receiver asked to be left alone.
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """How a callback stands after an attempt. `delay_s`: until the next one."""

    status: DeliveryStatus
    delay_s: float | None = None


_NOTE: Final = """
UPDATE agent_deliveries SET status = %(status)s::text, attempts = attempts + 1,
  next_attempt_at = statement_timestamp() + make_interval(secs => %(delay_s)s), leased_until = NULL,
  last_status_code = %(code)s,
  finished_at = CASE WHEN %(status)s::text = 'pending' THEN NULL ELSE statement_timestamp() END
WHERE id = %(id)s AND lease_token = %(token)s AND status = 'pending' RETURNING attempts
"""


@transaction.atomic
def delivery_note(
    held: HeldDelivery, outcome: Outcome, *, draw: Callable[[], float] = random.random
) -> Noted | None:
    """Store what came of an attempt, and when the next one is.

    draw: a number from 0 to 1 that changes the delay. None, and nothing is stored, when another
    worker took it meanwhile.
    """
    noted = next_step(held, outcome, draw())
    with connection.cursor() as cursor:
        cursor.execute(
            _NOTE,
            {
                "status": str(noted.status),
                "delay_s": noted.delay_s,
                "code": outcome.status_code,
                "id": held.id,
                "token": held.lease_token,
            },
        )
        row = cursor.fetchone()
    if row is None:
        logger.warning("callback %s: its lease lapsed before it was noted", held.message_id)
        return None
    DeliveryAttempt.objects.create(
        delivery_id=held.id,
        number=row[0],
        duration_ms=outcome.duration_ms,
        status_code=outcome.status_code,
        excerpt=outcome.excerpt,
        is_sealed=held.is_sealed and bool(outcome.excerpt),
        error=outcome.error[:200],
    )
    return noted


def delivery_postpone(held: HeldDelivery, delay_s: float) -> None:
    """Nothing was tried: it is due again in so many seconds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE agent_deliveries SET leased_until = NULL,"
            " next_attempt_at = statement_timestamp() + make_interval(secs => %s)"
            " WHERE id = %s AND lease_token = %s AND status = 'pending'",
            [delay_s, held.id, held.lease_token],
        )


def next_step(held: HeldDelivery, outcome: Outcome, drawn: float) -> Noted:
    """What follows from an outcome. Pure. drawn: 0 to 1."""
    code = outcome.status_code
    if code is not None and 200 <= code < 300:
        return Noted(status=DeliveryStatus.DELIVERED)
    if code == 410:
        return Noted(status=DeliveryStatus.DISABLED)
    left = held.gives_up_after - held.attempts - 1
    if left <= 0:
        return Noted(status=DeliveryStatus.FAILED)
    base_s = DELAYS_S[-min(left, len(DELAYS_S))]
    delay_s = base_s * (1 + JITTER * (2 * drawn - 1))
    asked_s = min(outcome.retry_after_s or 0.0, MAX_PAUSE_S)
    return Noted(status=DeliveryStatus.PENDING, delay_s=max(delay_s, asked_s))


def run_ended(held: HeldDelivery) -> Run:
    """The run that is told of, without what was said in it. Raises Run.DoesNotExist."""
    return Run.objects.only("kind", "status", "finished_at", "created_at").get(
        pk=held.run_id, status__in=_FINAL
    )
