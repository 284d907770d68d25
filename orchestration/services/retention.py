"""What is kept for how long."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from memory.services.items import memory_items_delete_of_runs, memory_items_expire
from orchestration.models import Artifact, Run, Session
from orchestration.services.artifacts import artifacts_expire
from orchestration.services.ssh_audit import ssh_audit_expire
from taskmapr.core.run_kinds import INTENT, RunKind, run_kinds
from taskmapr.core.run_state import FINAL_STATUSES

logger = logging.getLogger(__name__)

BATCH: Final = 500
#: The kind of runs whose results have a time of their own.
TASK_KIND: Final = "task"


def retention_apply() -> dict[str, int]:
    """Erase what is past its time. Returns how many runs, sessions and memory items it was."""
    counts = {
        "content": 0,
        "sessions": 0,
        "memory_items": memory_items_expire(),
        "files": artifacts_expire(),
        "ssh_calls": ssh_audit_expire(),
    }
    for kind in run_kinds():
        limit = datetime.now(UTC) - timedelta(hours=_hours(kind))
        ended = Run.objects.filter(
            kind=kind.name,
            status__in=FINAL_STATUSES,
            finished_at__lt=limit,
            content_erased_at__isnull=True,
        ).values_list("pk", flat=True)
        while batch := list(ended[:BATCH]):
            run_contents_erase(batch)
            counts["content"] += len(batch)
    days = settings.TASKMAPR["session_ttl_days"]
    if days:
        idle = Session.objects.filter(updated_at__lt=datetime.now(UTC) - timedelta(days=days))
        for session_id in idle.values_list("pk", flat=True):
            session_erase(session_id=session_id, forgets=False)
            counts["sessions"] += 1
    logger.info(
        "retention: %(content)d runs emptied, %(sessions)d sessions, %(memory_items)d memory"
        " items, %(files)d files and %(ssh_calls)d calls by SSH removed",
        counts,
    )
    return counts


def _hours(kind: RunKind) -> int:
    """How long content of this kind is kept; events can be followed for their minimum at least."""
    own = settings.TASKMAPR
    if kind.name == TASK_KIND:
        return int(own["results_retention_days"]) * 24
    if kind.name == INTENT.name:
        return int(own["jobs_retention_h"])
    wanted = kind.content_retention_h
    hours = own["snapshot_retention_days"] * 24 if wanted is None else wanted
    return int(max(hours, own["events_retention_h"]))


@transaction.atomic
def run_contents_erase(run_ids: list[UUID]) -> None:
    """Take events, request, instructions and receipts of ended runs away; their row stays."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL taskmapr.erasing = 'on'")
        cursor.execute("DELETE FROM agent_run_events WHERE run_id = ANY(%s)", [run_ids])
        cursor.execute("SET LOCAL taskmapr.erasing = 'off'")
        cursor.execute("UPDATE agent_effects SET receipt = NULL WHERE run_id = ANY(%s)", [run_ids])
        cursor.execute(
            "UPDATE agent_flow_calls SET answer = NULL WHERE run_id = ANY(%s)", [run_ids]
        )
        cursor.execute(
            "UPDATE agent_approvals SET question = '{}', answer = NULL WHERE run_id = ANY(%s)",
            [run_ids],
        )
        cursor.execute(
            "UPDATE agent_delivery_attempts a SET excerpt = '', is_sealed = false"
            " FROM agent_deliveries d WHERE d.id = a.delivery_id AND d.run_id = ANY(%s)",
            [run_ids],
        )
    Run.objects.filter(pk__in=run_ids).update(
        input={}, instructions="", content_erased_at=datetime.now(UTC)
    )


@transaction.atomic
def user_runs_erase(*, user_id: UUID) -> dict[str, int]:
    """Remove every session, run, event and file of a user: this app's part of an erasure."""
    run_ids = list(Run.objects.filter(owner_id=user_id).values_list("pk", flat=True))
    _runs_erase(run_ids)
    sessions = Session.objects.filter(user_id=str(user_id))
    counts = {"runs": len(run_ids), "sessions": sessions.count()}
    sessions.delete()
    return counts


@transaction.atomic
def session_erase(*, session_id: str, forgets: bool = True) -> None:
    """Remove a session with its messages, runs, events and files. Open runs go with it.

    forgets: also what memory was told in it. A session that merely grew old leaves that behind.
    """
    run_ids = list(Run.objects.filter(session_id=session_id).values_list("pk", flat=True))
    if forgets:
        memory_items_delete_of_runs(run_ids=run_ids)
    _runs_erase(run_ids)
    Session.objects.filter(pk=session_id).delete()


# Days are UTC's.
_COUNT: Final = """
INSERT INTO agent_erased_runs AS e
  (day, kind, status, runs, input_tokens, output_tokens, cost_usd_micros)
SELECT (created_at AT TIME ZONE 'UTC')::date, kind, status, count(*), sum(input_tokens),
  sum(output_tokens), coalesce(sum(cost_usd_micros), 0)
FROM agent_runs WHERE id = ANY(%s) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (day, kind, status) DO UPDATE SET
  runs = e.runs + excluded.runs,
  input_tokens = e.input_tokens + excluded.input_tokens,
  output_tokens = e.output_tokens + excluded.output_tokens,
  cost_usd_micros = e.cost_usd_micros + excluded.cost_usd_micros
"""


def _runs_erase(run_ids: list[UUID]) -> None:
    """Everything of these runs goes, their rows too; counts without a name stay."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [run_ids])
    run_contents_erase(run_ids)
    for artifact in Artifact.objects.filter(run_id__in=run_ids):
        artifact.file.delete(save=False)
    Run.objects.filter(pk__in=run_ids).delete()
