"""Which quotas there are, and which hold for a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from agents_cfg.selectors.fresh import fresh
from billing.models import Quota, QuotaPeriod, QuotaScope, QuotaUse
from taskmapr.core.ports import AskedRun
from taskmapr.core.tools import is_named

_QUOTAS: Final = "quotas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A quota as runs are checked against it. Money in millionths of a US dollar."""

    quota_id: int
    scope: str
    #: An id of a user, or `key:<id>`; empty: each has as much.
    only: str
    pattern: str
    period: str
    calls: int | None
    tokens: int | None
    cost_usd_micros: int | None

    def principal_of(self, asked: AskedRun) -> str | None:
        """Whose use it is counted as; None: the quota is not about this run."""
        if not is_named(asked.name, (self.pattern,)):
            return None
        if self.scope == QuotaScope.EVERYBODY:
            return ""
        if self.scope == QuotaScope.USER:
            principal = str(asked.user_id)
        else:
            principal = asked.credential if asked.credential.startswith("key:") else ""
        is_meant = bool(principal) and self.only in ("", principal)
        return principal if is_meant else None


def limits_for(asked: AskedRun) -> list[tuple[Limit, str]]:
    """The limits that hold for a run, with whose use each of them counts.

    Asks the database at most once in two seconds.
    """
    known = fresh.get(_QUOTAS, _limits)
    if not known:
        return []
    found = ((limit, limit.principal_of(asked)) for limit in known)
    return [(limit, principal) for limit, principal in found if principal is not None]


def uses_now() -> QuerySet[QuotaUse]:
    """What is counted in the periods that are under way, by the database's clock."""
    today = RawSQL("(now() AT TIME ZONE 'UTC')::date", [])
    month = RawSQL("date_trunc('month', now() AT TIME ZONE 'UTC')::date", [])
    return QuotaUse.objects.filter(
        Q(quota__period=QuotaPeriod.DAY, starts_on=today)
        | Q(quota__period=QuotaPeriod.MONTH, starts_on=month)
    )


def _limits() -> tuple[Limit, ...]:
    return tuple(
        Limit(
            quota_id=row.pk,
            scope=row.scope,
            only=_only(row),
            pattern=row.pattern,
            period=row.period,
            calls=row.max_calls,
            tokens=row.max_tokens,
            cost_usd_micros=row.max_cost_usd_micros,
        )
        for row in Quota.objects.filter(is_enabled=True)
    )


def _only(row: Quota) -> str:
    if row.user_id is not None:
        return str(row.user_id)
    return f"key:{row.api_key_id}" if row.api_key_id is not None else ""
