"""From runs that are over to the ledger of usage, once each. What they took is in their logs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from billing.services.quotas import Settled, quotas_settle
from billing.services.usage import Account, Figures, usage_add
from taskmapr.core.run_kinds import TASK
from taskmapr.core.run_state import FINAL_STATUSES, SUCCEEDED

#: Runs in one transaction.
BATCH: Final = 500

_FINAL: Final = ", ".join(f"'{status}'" for status in sorted(FINAL_STATUSES))

# Marked and read in one statement; another meter at work takes the next ones. The statuses are
# written out because only then the partial index is used.
_TAKE: Final = f"""
UPDATE agent_runs r SET is_metered = true
FROM (
  SELECT id FROM agent_runs WHERE NOT is_metered AND status IN ({_FINAL})
  ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
) AS over
WHERE r.id = over.id
RETURNING r.id, r.owner_id, r.credential, r.kind, r.subject, r.mode, r.status, r.input_tokens,
  r.output_tokens, r.cost_usd_micros, r.finished_at,
  EXISTS (SELECT FROM agent_effects f WHERE f.run_id = r.id)
"""  # noqa: S608 - our own words
_PARTS: Final = """
SELECT run_id, kind, data FROM agent_run_events
WHERE run_id = ANY(%s) AND kind IN ('tool.completed', 'model.responded')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Over:
    """A run that is over."""

    run_id: UUID
    owner_id: UUID
    credential: str
    kind: str
    subject: str
    mode: str
    status: str
    input_tokens: int
    output_tokens: int
    cost_usd_micros: int | None
    finished_at: datetime
    has_effect: bool

    @property
    def account(self) -> Account:
        return Account(
            day=self.finished_at.astimezone(UTC).date(),
            user_id=self.owner_id,
            credential=self.credential,
            kind=self.kind,
            subject=self.subject,
            mode=self.mode,
        )

    @property
    def figures(self) -> Figures:
        tokens = self.input_tokens + self.output_tokens
        return Figures(
            calls=1,
            failed=int(self.status != SUCCEEDED),
            unpriced=int(self.cost_usd_micros is None and tokens > 0),
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost_usd_micros=self.cost_usd_micros or 0,
        )

    @property
    def name(self) -> str:
        """Of the run as its own only part: nothing in its log has a name of its own."""
        return f"task.{self.subject}" if self.kind == TASK.name else self.subject or self.kind

    def settled(self) -> Settled:
        """A run that did not succeed is no call, unless it took something or changed something."""
        took = self.figures
        tokens = took.input_tokens + took.output_tokens
        counts = self.status == SUCCEEDED or self.has_effect or bool(tokens or took.cost_usd_micros)
        return Settled(
            run_id=self.run_id,
            counts=counts,
            tokens=tokens,
            cost_usd_micros=took.cost_usd_micros,
        )


def runs_meter() -> int:
    """Every run that is over is in the ledger, and its reservations are settled. Returns how many
    runs were new. Safe to run twice and at the same time."""
    total = 0
    while done := _batch():
        total += done
        if done < BATCH:
            break
    return total


@transaction.atomic
def _batch() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [BATCH])
        runs = [_Over(**dict(zip(_Over.__slots__, row, strict=True))) for row in cursor.fetchall()]
        if not runs:
            return 0
        cursor.execute(_PARTS, [[run.run_id for run in runs]])
        parts = [(run_id, kind, _json(data)) for run_id, kind, data in cursor.fetchall()]
    usage_add([(run.account, run.figures) for run in runs])
    usage_add(_parts(runs, parts))
    quotas_settle([run.settled() for run in runs])
    return len(runs)


def _parts(
    runs: Sequence[_Over], parts: Sequence[tuple[UUID, str, dict[str, Any]]]
) -> Iterator[tuple[Account, Figures]]:
    by_id = {run.run_id: run for run in runs}
    for run_id, kind, data in parts:
        name, figures = _tool(data) if kind == "tool.completed" else _turn(data)
        yield replace(by_id[run_id].account, part=name[:220]), figures
    for run_id in by_id.keys() - {run_id for run_id, _, _ in parts}:
        run = by_id[run_id]
        yield replace(run.account, part=run.name), run.figures


def _tool(data: dict[str, Any]) -> tuple[str, Figures]:
    cost = data.get("cost_usd_micros") or 0
    return data["tool"], Figures(calls=1, failed=int(not data["ok"]), cost_usd_micros=cost)


def _turn(data: dict[str, Any]) -> tuple[str, Figures]:
    cost = data.get("cost_usd_micros")
    tokens = (data.get("input_tokens") or 0, data.get("output_tokens") or 0)
    return f"model:{data['model']}", Figures(
        calls=1,
        unpriced=int(cost is None and sum(tokens) > 0),
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        cost_usd_micros=cost or 0,
    )


def _json(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(value) if isinstance(value, str | bytes) else value
    return found
