"""The ledger of what was used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from datetime import date
from typing import Final
from uuid import UUID

from django.db import connection

from billing.models import QuotaUse, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is added up together: see `billing.models.Usage`."""

    day: date
    user_id: UUID
    credential: str
    kind: str
    subject: str
    mode: str
    part: str = ""


@dataclass(slots=True, kw_only=True)
class Figures:
    """What was used. Money in millionths of a US dollar."""

    calls: int = 0
    failed: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd_micros: int = 0

    def add(self, other: Figures) -> None:
        for column in fields(self):
            setattr(self, column.name, getattr(self, column.name) + getattr(other, column.name))


_ADD: Final = """
INSERT INTO billing_usage AS u (day, user_id, credential, kind, subject, mode, part,
  calls, failed, unpriced, input_tokens, output_tokens, cost_usd_micros)
SELECT w.* FROM unnest(%s::date[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[],
  %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
  AS w(day, user_id, credential, kind, subject, mode, part,
    calls, failed, unpriced, input_tokens, output_tokens, cost_usd_micros)
WHERE EXISTS (SELECT FROM users_user WHERE id = w.user_id)
ON CONFLICT (user_id, day, part, kind, subject, mode, credential) DO UPDATE SET
  calls = u.calls + excluded.calls, failed = u.failed + excluded.failed,
  unpriced = u.unpriced + excluded.unpriced,
  input_tokens = u.input_tokens + excluded.input_tokens,
  output_tokens = u.output_tokens + excluded.output_tokens,
  cost_usd_micros = u.cost_usd_micros + excluded.cost_usd_micros
"""


def usage_add(charges: Iterable[tuple[Account, Figures]]) -> None:
    """Add to the ledger, in one statement and in one order of rows."""
    sums: dict[Account, Figures] = {}
    for account, figures in charges:
        sums.setdefault(account, Figures()).add(figures)
    if not sums:
        return
    rows = sorted((astuple(account), astuple(figures)) for account, figures in sums.items())
    columns = zip(*((*account, *figures) for account, figures in rows), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [list(column) for column in columns])


def user_usage_erase(*, user_id: UUID) -> Mapping[str, int]:
    """What the ledger and the quotas know of a user is gone. See `ports.Eraser`."""
    usage, _ = Usage.objects.filter(user_id=user_id).delete()
    uses, _ = QuotaUse.objects.filter(principal=str(user_id)).delete()
    return {"usage": usage, "quota uses": uses}
