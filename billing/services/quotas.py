"""Quotas: reserved when a run begins, settled when it is over."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from agents_cfg.selectors.fresh import fresh
from billing.models import Quota, QuotaScope, QuotaUse
from billing.selectors.quotas import Limit, limits_for
from taskmapr.core.errors import InvalidInput, QuotaExceeded
from taskmapr.core.ports import AskedRun
from taskmapr.foundation.figures import money_text

logger = logging.getLogger(__name__)

#: Part of a limit from which on it is told that little is left.
WARN_AT: Final = 0.8

# Rows are taken in one order, so that two starts never wait for each other in a circle. What comes
# back includes the run that asks.
_RESERVE: Final = """
WITH used AS (
  INSERT INTO billing_quota_uses AS u
      (quota_id, principal, starts_on, reserved_calls, reserved_cost_usd_micros)
  SELECT w.quota_id, w.principal, date_trunc(w.period, now() AT TIME ZONE 'UTC')::date, 1, %(cost)s
  FROM unnest(%(quotas)s::bigint[], %(principals)s::text[], %(periods)s::text[])
    AS w(quota_id, principal, period)
  -- One that was deleted a moment ago limits nobody any more.
  WHERE EXISTS (SELECT FROM billing_quotas q WHERE q.id = w.quota_id)
  ORDER BY w.quota_id, w.principal
  ON CONFLICT (quota_id, principal, starts_on) DO UPDATE SET
    reserved_calls = u.reserved_calls + 1,
    reserved_cost_usd_micros = u.reserved_cost_usd_micros + excluded.reserved_cost_usd_micros
  RETURNING *
), held AS (
  INSERT INTO billing_reservations (use_id, run_id, cost_usd_micros)
  SELECT id, %(run)s, %(cost)s FROM used
)
SELECT u.id, u.quota_id, u.calls + u.reserved_calls, u.tokens,
  u.cost_usd_micros + u.reserved_cost_usd_micros, u.warned_at IS NOT NULL,
  (u.starts_on + ('1 ' || q.period)::interval) AT TIME ZONE 'UTC'
FROM used u JOIN billing_quotas q ON q.id = u.quota_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How much of a limit is used, the run that asks included."""

    use_id: int
    limit: Limit
    calls: int
    #: Of runs that are over: what one will use is not known before.
    tokens: int
    cost_usd_micros: int
    is_warned: bool
    resets_at: datetime

    def spent(self, own_cost_usd_micros: int) -> str | None:
        """What does not suffice for a run of such a cost, in words; None: everything does."""
        limit = self.limit
        if limit.calls is not None and self.calls > limit.calls:
            return f"{limit.calls} calls"
        if limit.tokens is not None and self.tokens >= limit.tokens:
            return f"{limit.tokens} tokens"
        if limit.cost_usd_micros is None:
            return None
        before = self.cost_usd_micros - own_cost_usd_micros
        is_over = self.cost_usd_micros > limit.cost_usd_micros or before >= limit.cost_usd_micros
        return money_text(limit.cost_usd_micros) if is_over else None

    @property
    def share(self) -> float:
        """Of the limit of which most is used: 1 is all of it."""
        limit = self.limit
        pairs = (
            (self.calls, limit.calls),
            (self.tokens, limit.tokens),
            (self.cost_usd_micros, limit.cost_usd_micros),
        )
        return max(used / most for used, most in pairs if most)


def quota_reserve(asked: AskedRun) -> tuple[str, ...]:
    """The run may begin, and what it may take is held under its id until it is settled.

    Belongs into the transaction that creates the run: a run that never came to be takes nothing.
    Locks the uses that are counted until that commits, so starts at the same time never exceed a
    limit of calls, nor one of money by costs that are known. Returns warnings, each once a period.
    Raises QuotaExceeded with details.resets_at; the transaction must not be committed then.
    """
    limits = limits_for(asked)
    if not limits:
        return ()
    standings = _reserved(asked, limits)
    refused = [(s, spent) for s in standings if (spent := s.spent(asked.cost_usd_micros))]
    if refused:
        # Until all of them let it through.
        standing, spent = max(refused, key=lambda pair: pair[0].resets_at)
        raise QuotaExceeded(
            f"The quota of {spent} a {standing.limit.period} for {standing.limit.pattern} is used"
            " up.",
            details={"resets_at": _told(standing.resets_at)},
        )
    near = [s for s in standings if not s.is_warned and s.share >= WARN_AT]
    if near:
        QuotaUse.objects.filter(pk__in=[s.use_id for s in near]).update(warned_at=Now())
    return tuple(_warning(standing, asked) for standing in near)


def _reserved(asked: AskedRun, limits: Sequence[tuple[Limit, str]]) -> list[Standing]:
    by_id = {limit.quota_id: limit for limit, _ in limits}
    with connection.cursor() as cursor:
        cursor.execute(
            _RESERVE,
            {
                "quotas": [limit.quota_id for limit, _ in limits],
                "principals": [principal for _, principal in limits],
                "periods": [limit.period for limit, _ in limits],
                "run": asked.run_id,
                "cost": asked.cost_usd_micros,
            },
        )
        return [
            Standing(
                use_id=row[0],
                limit=by_id[row[1]],
                calls=row[2],
                tokens=row[3],
                cost_usd_micros=row[4],
                is_warned=row[5],
                resets_at=row[6],
            )
            for row in cursor.fetchall()
        ]


def _warning(standing: Standing, asked: AskedRun) -> str:
    limit = standing.limit
    text = (
        f"{round(standing.share * 100)} % of the quota for {limit.pattern} a {limit.period} is"
        f" used; it begins anew at {_told(standing.resets_at)}."
    )
    logger.warning(
        "[TaskMapr] Quota warning: %s (run %s, user %s)", text, asked.run_id, asked.user_id
    )
    return text


def _told(at: datetime) -> str:
    """A midnight, so without a fraction of its second."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


# When runs are over ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a run took in the end. `counts`: whether it was a call at all."""

    run_id: UUID
    counts: bool
    tokens: int
    cost_usd_micros: int


_LOCK: Final = """
SELECT u.id FROM billing_quota_uses u
WHERE u.id IN (SELECT use_id FROM billing_reservations WHERE run_id = ANY(%s))
ORDER BY u.quota_id, u.principal, u.starts_on FOR UPDATE
"""
_SETTLE: Final = """
WITH gone AS (
  DELETE FROM billing_reservations r
  USING unnest(%s::uuid[], %s::bool[], %s::bigint[], %s::bigint[])
    AS s(run_id, counts, tokens, cost)
  WHERE r.run_id = s.run_id
  RETURNING r.use_id, r.cost_usd_micros AS held, s.counts, s.tokens, s.cost
), sums AS (
  SELECT use_id, count(*) AS runs, count(*) FILTER (WHERE counts) AS calls, sum(held) AS held,
    sum(tokens) AS tokens, sum(cost) AS cost
  FROM gone GROUP BY use_id
)
UPDATE billing_quota_uses u SET
  calls = u.calls + s.calls, tokens = u.tokens + s.tokens,
  cost_usd_micros = u.cost_usd_micros + s.cost, reserved_calls = u.reserved_calls - s.runs,
  reserved_cost_usd_micros = u.reserved_cost_usd_micros - s.held
FROM sums s WHERE u.id = s.use_id
"""


def quotas_settle(runs: Sequence[Settled]) -> None:
    """Put what runs took in place of what was reserved for them. Belongs into a transaction.

    Settling a run twice is harmless: its reservation is gone by then.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [[run.run_id for run in runs]])
        if not cursor.fetchall():
            return
        cursor.execute(
            _SETTLE,
            [
                [run.run_id for run in runs],
                [run.counts for run in runs],
                [run.tokens for run in runs],
                [run.cost_usd_micros for run in runs],
            ],
        )


def quota_check(quota: Quota) -> None:
    """Raises InvalidInput with every member that cannot be."""
    problems = []
    if quota.user_id is not None and quota.scope != QuotaScope.USER:
        problems.append(("user", "is only for quotas of users"))
    if quota.api_key_id is not None and quota.scope != QuotaScope.KEY:
        problems.append(("api_key", "is only for quotas of keys"))
    if quota.max_calls is quota.max_tokens is quota.max_cost_usd_micros is None:
        problems.append(("max_calls", "limit calls, tokens or money"))
    if problems:
        raise InvalidInput.of(*problems)


def quota_save(*, quota: Quota, by: str) -> Quota:
    """Store it; processes heed it within two seconds. Raises InvalidInput."""
    quota_check(quota)
    quota.save()
    transaction.on_commit(fresh.forget)
    logger.info("quota %s (%s) saved by %s", quota.pk, quota, by)
    return quota
