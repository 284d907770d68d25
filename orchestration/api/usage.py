"""What was used, for those who used it, and for the staff."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.selectors.usage import GROUPS, GroupBy, UsageRow, usage_report
from orchestration.api import usage_described as described
from orchestration.api.asking import user_of
from taskmapr.core.errors import InvalidInput
from taskmapr.users.scopes import Scope

#: Days that one request may ask for, and asks for unless it says so.
DAYS_MAX: Final = 366
DAYS: Final = 30


class UsageApi(APIView):
    """Calls, tokens and money."""

    required_scope = Scope.INTENTS_RUN

    @described.USAGE
    def get(self, request: Request) -> Response:
        asked, user = request.query_params, user_of(request)
        first, last = _days(asked.get("from", ""), asked.get("to", ""))
        group_by = _group(asked.get("group_by", "day"))
        report = usage_report(
            group_by=group_by,
            first=first,
            last=last,
            user_id=None if user.is_staff else user.pk,
        )
        return Response(
            {
                "from": first.isoformat(),
                "to": last.isoformat(),
                "group_by": group_by,
                "usage": [{group_by: row.name, **_figures(row)} for row in report.rows],
                "total": _figures(report.total),
                "is_cut": report.is_cut,
            }
        )


def _figures(row: UsageRow) -> dict[str, Any]:
    return {
        "calls": row.calls,
        "failed": row.failed,
        "unpriced": row.unpriced,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cost_usd_micros": row.cost_usd_micros,
    }


def _group(asked: str) -> GroupBy:
    if asked not in GROUPS:
        raise InvalidInput.of(("group_by", f"must be one of {', '.join(GROUPS)}"))
    return asked


def _days(first: str, last: str) -> tuple[date, date]:
    until = _day("to", last) or datetime.now(UTC).date()
    since = _day("from", first) or until - timedelta(days=min(DAYS - 1, until.toordinal() - 1))
    if since > until:
        raise InvalidInput.of(("from", "must not be after `to`"))
    if (until - since).days >= DAYS_MAX:
        raise InvalidInput.of(("from", f"must be at most {DAYS_MAX - 1} days before `to`"))
    return since, until


def _day(name: str, asked: str) -> date | None:
    if not asked:
        return None
    try:
        return datetime.strptime(asked, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise InvalidInput.of((name, "must be a day: YYYY-MM-DD")) from None
