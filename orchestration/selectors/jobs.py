"""Jobs, which are runs of intents, as their owners see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import connection

from orchestration.dialects.orchestrate import JobFacts, JobRow, Outcome
from orchestration.intents.names import run_id_of
from orchestration.intents.words import stored_statuses
from orchestration.log.wire import open_data
from orchestration.services.intent_repeats import outcome_of
from taskmapr.core import wired
from taskmapr.core.errors import InvalidInput, JobNotFound
from taskmapr.core.ports import Sealer
from taskmapr.core.run_kinds import INTENT

#: Jobs of one page, at most and unless asked otherwise.
PAGE_MAX: Final = 100
PAGE: Final = 20

_COLUMNS: Final = """
SELECT r.id, r.owner_id, r.subject, r.mode, r.status, r.attempt, r.input_tokens, r.output_tokens,
  r.cost_usd_micros, r.created_at, r.started_at, r.finished_at, r.duration_ms, r.is_sealed,
  r.last_seq, r.content_erased_at IS NOT NULL, r.input::text AS given,
  (SELECT json_agg(json_build_array(e.kind, e.data) ORDER BY e.seq)::text FROM (
     SELECT DISTINCT ON (l.kind) l.seq, l.kind, l.data FROM agent_run_events l
     WHERE l.run_id = r.id
       AND l.kind IN ('run.created', 'progress', 'result', 'error')
     ORDER BY l.kind, l.seq DESC) e) AS log
FROM agent_runs r
"""
#: How many columns that are.
_WIDTH: Final = 18
# Whoever began a job for another user may read it by the credential that began it.
_MINE: Final = "(r.owner_id = %(user)s OR r.credential = %(ref)s)"
_ONE: Final = _COLUMNS + f"WHERE r.id = %(id)s AND r.kind = %(kind)s AND {_MINE}"
#: Bytes of requests and logs that one page reads; its first job counts whatever it has.
PAGE_BYTES: Final = 8 * 1024 * 1024
_LISTED: Final = (
    _COLUMNS
    + """WHERE r.owner_id = %(user)s AND r.kind = %(kind)s
  AND (%(before)s::uuid IS NULL OR r.id < %(before)s)
  AND (%(statuses)s::text[] IS NULL OR r.status = ANY(%(statuses)s))
  AND (%(intent)s = '' OR r.subject = %(intent)s)
ORDER BY r.id DESC LIMIT %(limit)s"""
)
# Results are as large as tools make them: a page ends where it would become too much to hold.
_PAGE: Final = f"""
WITH job AS MATERIALIZED ({_LISTED}), sized AS (
  SELECT job.*, sum(octet_length(given) + coalesce(octet_length(log), 0)) OVER (ORDER BY id DESC
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM job)
SELECT sized.*, (SELECT count(*) FROM job) FROM sized
WHERE before IS NULL OR before < %(bytes)s ORDER BY id DESC
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as far as it has come."""

    row: JobRow
    owner_id: UUID
    outcome: Outcome
    last_seq: int
    is_erased: bool
    sealer: Sealer | None

    @property
    def run_id(self) -> UUID:
        return self.row.facts.run_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Whose jobs are looked for. `ref`: of the credential; an API key's own jobs are its own."""

    user_id: UUID
    ref: str = ""


def job_find(job_id: str, reader: Reader) -> Job:
    """One query, two if its content is sealed. Raises JobNotFound also when it is another's."""
    run_id = run_id_of(job_id)
    if run_id is None:
        raise JobNotFound
    ref = reader.ref if reader.ref.startswith("key:") else None
    found = _jobs(_rows(_ONE, {"id": run_id, "user": reader.user_id, "ref": ref}))
    if not found:
        raise JobNotFound
    return found[0]


def jobs_page(
    *, user_id: UUID, status: str = "", intent: str = "", cursor: str = "", limit: int = PAGE
) -> tuple[list[Job], str | None]:
    """The user's jobs, newest first, and the cursor of the page behind them. Fewer than `limit`
    where they hold much.

    Two queries. Raises InvalidInput for a status or a cursor that is none.
    """
    statuses = stored_statuses(status) or None
    if status and statuses is None:
        raise InvalidInput.of(("status", "is no status of a job"))
    before = run_id_of(cursor) if cursor else None
    if cursor and before is None:
        raise InvalidInput.of(("cursor", "was not given by this list"))
    rows = _rows(
        _PAGE,
        {
            "user": user_id,
            "before": before,
            "statuses": statuses,
            "intent": intent,
            "limit": limit + 1,
            "bytes": PAGE_BYTES,
        },
    )
    page = _jobs([row[:_WIDTH] for row in rows[:limit]])
    has_more = bool(rows) and rows[0][-1] > len(page)
    return page, page[-1].row.facts.job_id if has_more else None


def _rows(statement: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {**given, "kind": INTENT.name})
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def _jobs(rows: list[tuple[Any, ...]]) -> list[Job]:
    owners = {row[1] for row in rows if row[13] and not row[15]}
    sealers = {owner: wired.ports().sealers.for_user(owner) for owner in owners}
    return [_job(row, sealers.get(row[1])) for row in rows]


def _job(row: tuple[Any, ...], sealer: Sealer | None) -> Job:
    run_id, owner_id, intent, mode, status, attempt, read, written, cost, *rest = row
    created_at, started_at, finished_at, duration_ms, _, last_seq, is_erased, given, log = rest
    outcome = outcome_of(
        status=status, attempts=attempt, duration_ms=duration_ms, log=log, sealer=sealer
    )
    asked = _opened(given, sealer)
    return Job(
        row=JobRow(
            facts=JobFacts(run_id=run_id, intent=intent, mode=mode),
            status=status,
            mode_reason=outcome.mode_reason,
            attempt=attempt,
            callback_url=asked.get("callback_url"),
            context=asked.get("context"),
            input_tokens=read,
            output_tokens=written,
            cost_usd_micros=cost,
            created_at=created_at,
            started_at=started_at,
            finished_at=finished_at,
            duration_ms=duration_ms,
        ),
        owner_id=owner_id,
        outcome=outcome,
        last_seq=last_seq,
        is_erased=is_erased,
        sealer=sealer,
    )


def _opened(given: str, sealer: Sealer | None) -> Mapping[str, Any]:
    """The request as it was accepted; empty when it was erased."""
    return open_data(orjson.loads(given), sealer)
