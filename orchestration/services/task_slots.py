"""Tasks that have to wait because enough of their sort are under way."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection

from orchestration.selectors.sequence_steps import sequences_under_way
from orchestration.selectors.task_types import task_type_named
from orchestration.services.leases import Claim
from orchestration.services.run_end import successors_enqueue
from taskmapr.core import wired
from taskmapr.core.errors import QueueUnavailable, UnknownTaskType
from taskmapr.core.ports import Places
from taskmapr.core.run_state import fold
from taskmapr.core.task_types import OWN_PROCESS

#: Seconds after which a waiting task tries again, should nobody tell it that a place is free ...
WAIT_S: Final = 5.0
#: ... longer when many wait, so that those who try are a bounded number a second.
TRIES_PER_S: Final = 20
WAIT_MAX_S: Final = 60.0


def task_limits(claim: Claim) -> dict[str, int]:
    """What this task counts against, and how many of it may run at once."""
    limits = {}
    try:
        made = task_type_named(claim.subject)
    except UnknownTaskType:
        return {}
    if made.concurrency:
        limits[f"type:{made.name}"] = made.concurrency
    if claim.credential and settings.TASKMAPR["tasks_per_key"]:
        limits[claim.credential] = settings.TASKMAPR["tasks_per_key"]
    if made.queue in OWN_PROCESS:
        worker = f"{socket.gethostname()}-{os.getpid()}"
        limits[f"processes:{worker}"] = settings.TASKMAPR["task_processes"]
    return limits


def admit(claims: Sequence[Claim]) -> list[Claim]:
    """Take the places that these tasks need. Those that get none are put back and wait, as
    assigned; the others are returned.

    Places hold for as long as a lease does and are renewed with it (`renew`). While Redis is away,
    nobody counts. Sequences, which have no lease while a step goes on, count from their first step
    to their end.
    """
    full = {claim.run_id for claim in claims if _is_full(claim)}
    for claim in claims:
        if claim.run_id in full:
            _put_back(claim, delay_s=WAIT_S)
    return _admitted([claim for claim in claims if claim.run_id not in full])


def _is_full(claim: Claim) -> bool:
    """Whether as many sequences of its type as may be are under way without it."""
    try:
        made = task_type_named(claim.subject)
    except UnknownTaskType:
        return False
    if not (made.steps and made.concurrency):
        return False
    under_way = sequences_under_way(made.name)
    return claim.run_id not in under_way and len(under_way) >= made.concurrency


def _admitted(claims: Sequence[Claim]) -> list[Claim]:
    limited = [places for claim in claims if (places := _places(claim)).limits]
    if not limited:
        return list(claims)
    try:
        lines = wired.ports().slots.take(limited, settings.TASKMAPR["lease_ttl_s"])
    except QueueUnavailable:
        return list(claims)
    waiting = {p.holder: line for p, line in zip(limited, lines, strict=True) if line}
    for claim in claims:
        if line := waiting.get(claim.run_id):
            _put_back(claim, delay_s=min(WAIT_S + line / TRIES_PER_S, WAIT_MAX_S))
    return [claim for claim in claims if claim.run_id not in waiting]


def renew(claims: Sequence[Claim]) -> None:
    """Raises QueueUnavailable."""
    if limited := [places for claim in claims if (places := _places(claim)).limits]:
        wired.ports().slots.renew(limited, settings.TASKMAPR["lease_ttl_s"])


def leave(claims: Sequence[Claim]) -> None:
    """Give their places back, and let those who waited for them try again."""
    limited = [places for claim in claims if (places := _places(claim)).limits]
    try:
        freed = wired.ports().slots.leave(limited) if limited else []
    except QueueUnavailable:
        return
    if freed:
        successors_enqueue(_woken(freed))


def _places(claim: Claim) -> Places:
    return Places(holder=claim.run_id, limits=task_limits(claim))


def _put_back(claim: Claim, *, delay_s: float) -> None:
    """As if nobody had taken the run."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE agent_runs SET status = %(status)s, attempt = attempt - 1, lease_owner = '',"
            " lease_expires_at = NULL, enqueued_at = NULL,"
            " due_at = now() + make_interval(secs => %(delay)s),"
            " started_at = CASE WHEN attempt = 1 THEN NULL ELSE started_at END,"
            " deadline_at = CASE WHEN attempt = 1 THEN NULL ELSE deadline_at END"
            " WHERE id = %(id)s AND lease_token = %(token)s",
            {
                "status": fold(claim.events).status,
                "delay": delay_s,
                "id": claim.run_id,
                "token": claim.lease_token,
            },
        )


def _woken(run_ids: Iterable[UUID]) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE agent_runs SET enqueued_at = now() WHERE id = ANY(%s)"
            " AND enqueued_at IS NULL AND status IN ('queued', 'retrying') RETURNING id",
            [list(run_ids)],
        )
        return [row[0] for row in cursor.fetchall()]
