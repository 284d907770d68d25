"""The log in Postgres: batches from writers, reads for everyone. Sync; called on a thread of its
own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction

from orchestration.log.wire import StoredEvent, open_data
from taskmapr.core.events import Event
from taskmapr.core.ids import uuid7
from taskmapr.core.ports import Sealer


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a session keeps of a finished run."""

    session_id: str
    content: str
    actions: list[dict[str, Any]]
    items: list[dict[str, Any]]
    is_partial: bool
    is_sealed: bool = False

    def sealed(self, sealer: Sealer) -> Answer:
        """The same answer, unreadable: `content` holds all of it."""
        whole = {"content": self.content, "actions": self.actions, "items": self.items}
        return replace(self, content=sealer.seal(whole), actions=[], items=[], is_sealed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The last columns of a run, written with its last events."""

    status: str
    finished_at: datetime
    duration_ms: int
    model: str
    input_tokens: int
    output_tokens: int
    cost_usd_micros: int | None
    first_output_ms: int | None
    error_code: str = ""
    error_message: str = ""
    reason: str = ""
    #: Empty keeps what the row has.
    instructions: str = ""
    answer: Answer | None = None


@dataclass(slots=True, kw_only=True)
class RunBatch:
    """Events of one run that Postgres does not have yet, with the token that permits them."""

    run_id: UUID
    lease_token: int
    events: list[StoredEvent] = field(default_factory=list)
    ending: Ending | None = None
    #: True: an earlier attempt may have stored a beginning of `events` without our hearing of it.
    may_be_stored: bool = False


@transaction.atomic
def batches_write(batches: Sequence[RunBatch]) -> tuple[set[UUID], list[UUID]]:
    """Append these events and close the runs that ended, in one transaction.

    Returns (runs that were fenced off and got nothing, runs that may now take their turn in a
    session). Locks the sessions of runs that end, then the run rows in share mode, so that no lease
    changes hands meanwhile; both in order.
    """
    sessions_lock(b.ending.answer.session_id for b in batches if b.ending and b.ending.answer)
    held = _held(batches)
    accepted = [batch for batch in batches if batch.run_id in held]
    # A list: nothing else can be asked of the connection while it copies.
    events_copy([event for batch in accepted for event in _missing(batch)])
    ended = [batch for batch in accepted if batch.ending is not None]
    successors = _end(ended) if ended else []
    return {batch.run_id for batch in batches} - held, successors


def sessions_lock(session_ids: Iterable[str]) -> None:
    """Take turns with whoever starts, ends or cancels runs of these sessions, until commit.

    Always before the lock of a run.
    """
    ordered = sorted(set(session_ids))
    if not ordered:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM agent_sessions WHERE session_id = ANY(%s)"
            " ORDER BY session_id FOR NO KEY UPDATE",
            [ordered],
        )


def _held(batches: Sequence[RunBatch]) -> set[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT r.id FROM agent_runs r
            JOIN unnest(%s::uuid[], %s::bigint[]) AS h(id, token)
              ON r.id = h.id AND r.lease_token = h.token
            ORDER BY r.id FOR SHARE OF r
            """,
            [[b.run_id for b in batches], [b.lease_token for b in batches]],
        )
        return {row[0] for row in cursor.fetchall()}


def _missing(batch: RunBatch) -> Sequence[StoredEvent]:
    """Those that the log does not have: a commit may succeed whose answer is lost."""
    if not batch.may_be_stored:
        return batch.events
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(max(seq), 0) FROM agent_run_events WHERE run_id = %s", [batch.run_id]
        )
        (last,) = cursor.fetchone()
    return [event for event in batch.events if event.seq > last]


def events_copy(events: Iterable[StoredEvent]) -> None:
    """COPY events into the log. The caller has made sure that it may."""
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY agent_run_events (run_id, seq, kind, data, at) FROM STDIN") as copy,
    ):
        for event in events:
            copy.write_row(
                (event.run_id, event.seq, event.kind, event.data_json.decode(), event.at)
            )


_END_RUNS = """
UPDATE agent_runs r SET
  status = e.status, finished_at = e.finished_at, duration_ms = e.duration_ms,
  last_seq = e.last_seq, model = e.model, input_tokens = e.input_tokens,
  output_tokens = e.output_tokens, cost_usd_micros = e.cost, first_output_ms = e.first_output_ms,
  error_code = e.error_code, error_message = e.error_message, reason = e.reason,
  instructions = coalesce(nullif(e.instructions, ''), r.instructions),
  lease_owner = '', lease_expires_at = NULL
FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::text[],
            %s::int[], %s::int[], %s::bigint[], %s::int[], %s::text[], %s::text[], %s::text[],
            %s::text[])
  AS e(id, status, finished_at, duration_ms, last_seq, model, input_tokens, output_tokens, cost,
       first_output_ms, error_code, error_message, reason, instructions)
WHERE r.id = e.id
"""

# The oldest run of each session that waits for its turn, if no other run of it is under way.
_NEXT_IN_SESSION = """
UPDATE agent_runs SET enqueued_at = now() WHERE id IN (
  SELECT DISTINCT ON (w.session_id) w.id FROM agent_runs w
  WHERE w.session_id = ANY(%s) AND w.status = 'queued' AND w.enqueued_at IS NULL
    AND NOT EXISTS (
      SELECT 1 FROM agent_runs o WHERE o.session_id = w.session_id AND o.id <> w.id
        AND o.status IN ('queued', 'running', 'retrying', 'paused') AND o.enqueued_at IS NOT NULL)
  ORDER BY w.session_id, w.id
) AND enqueued_at IS NULL RETURNING id
"""


def _end(batches: Sequence[RunBatch]) -> list[UUID]:
    endings = [(b, b.ending) for b in batches if b.ending is not None]
    columns = zip(
        *(
            (
                b.run_id,
                e.status,
                e.finished_at,
                e.duration_ms,
                b.events[-1].seq,
                e.model,
                e.input_tokens,
                e.output_tokens,
                e.cost_usd_micros,
                e.first_output_ms,
                e.error_code,
                e.error_message,
                e.reason,
                e.instructions,
            )
            for b, e in endings
        ),
        strict=True,
    )
    answers = [(b.run_id, e.answer) for b, e in endings if e.answer is not None]
    sessions = sorted({answer.session_id for _, answer in answers})
    with connection.cursor() as cursor:
        cursor.execute(_END_RUNS, [list(column) for column in columns])
        cursor.execute(
            "UPDATE agent_approvals SET status = 'withdrawn', resolved_at = now()"
            " WHERE run_id = ANY(%s) AND status = 'open'",
            [[b.run_id for b, _ in endings]],
        )
    if not answers:
        return []
    _answers_write(answers)
    return session_successors(sessions)


def _answers_write(answers: Sequence[tuple[UUID, Answer]]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO agent_messages (id, session_id, run_id, position, role, content, actions,
                                        items, is_partial, is_sealed, created_at)
            VALUES (%s, %s, %s, 1, 'assistant', %s, %s::jsonb, %s::jsonb, %s, %s, clock_timestamp())
            ON CONFLICT (run_id, position) DO NOTHING
            """,
            [
                (
                    uuid7(),
                    answer.session_id,
                    run_id,
                    answer.content,
                    orjson.dumps(answer.actions).decode(),
                    orjson.dumps(answer.items).decode(),
                    answer.is_partial,
                    answer.is_sealed,
                )
                for run_id, answer in answers
            ],
        )


def session_successors(session_ids: Sequence[str]) -> list[UUID]:
    """Give the next waiting run of each session its turn; returns the runs to enqueue."""
    with connection.cursor() as cursor:
        cursor.execute(_NEXT_IN_SESSION, [list(session_ids)])
        return [row[0] for row in cursor.fetchall()]


def events_all(run_id: UUID, sealer: Sealer | None = None) -> list[Event]:
    """The whole stored log, in order."""
    return events_after(run_id, 0, sealer=sealer, limit=None)


def events_after(
    run_id: UUID, after: int, *, sealer: Sealer | None = None, limit: int | None = 5000
) -> list[Event]:
    """Stored events with seq > after, in order, at most `limit` (None: all)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq, kind, data, at FROM agent_run_events"
            " WHERE run_id = %s AND seq > %s ORDER BY seq LIMIT %s",
            [run_id, after, limit],
        )
        return [
            Event(run_id, seq, kind, open_data(_json(data), sealer), at)
            for seq, kind, data, at in cursor.fetchall()
        ]


def _json(value: Any) -> Any:
    # Django switches psycopg's JSON loading off; the raw text is what we want to parse ourselves.
    return orjson.loads(value) if isinstance(value, str | bytes) else value
