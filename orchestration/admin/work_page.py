"""Intents and tasks as figures: how many, how well, how long, how often again, at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin

from orchestration.admin.charts import Chart, Plot, Series, stacked_bars
from orchestration.admin.run_charts import TIME, cost_chart, ends_chart, percentile_chart
from orchestration.selectors.analytics import WINDOWS, Window
from orchestration.selectors.work_figures import KINDS, MOST, By, Work, work_by, work_by_time
from taskmapr.core.run_kinds import INTENT, TASK
from taskmapr.foundation.figures import NONE, count_text, money_text

DEFAULT_WINDOW: Final = "24h"
#: What is counted: name in the address → words, kinds of runs.
_COUNTED: Final[dict[str, tuple[str, Sequence[str]]]] = {
    "": ("Intents and tasks", KINDS),
    INTENT.name: ("Intents", (INTENT.name,)),
    TASK.name: ("Tasks", (TASK.name,)),
}
#: The tables: by what, title, head of the first column.
_TABLES: Final[tuple[tuple[By, str, str], ...]] = (
    ("tool", "By tool", "Intent or type of task"),
    ("provider", "By provider", "Provider"),
    ("mode", "By mode", "Mode"),
    ("user", "By user", "User"),
)


def work_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    window = WINDOWS.get(request.GET.get("window", ""), WINDOWS[DEFAULT_WINDOW])
    counted = request.GET.get("kind", "")
    counted = counted if counted in _COUNTED else ""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Intents and tasks",
        **_figures(window, counted, datetime.now(UTC)),
    }
    return TemplateResponse(request, "admin/work_figures.html", context)


def _figures(window: Window, counted: str, now: datetime) -> dict[str, Any]:
    title, kinds = _COUNTED[counted]
    whole, periods = work_by_time(window, kinds, now=now)
    starts = window.starts(now)
    labels, since = [at.strftime(window.label) for at in starts], starts[0]
    return {
        "heading": f"{title}, last {window.title}",
        "windows": [
            (w.title, w is window, _query(window=w.name, kind=counted)) for w in WINDOWS.values()
        ],
        "kinds": [
            (words, name == counted, _query(window=window.name, kind=name))
            for name, (words, _) in _COUNTED.items()
        ],
        "whole": whole,
        "rate": _rate(whole),
        "cost": _cost(whole),
        "charts": _charts(labels, periods),
        "tables": [
            {
                "title": words,
                "head": head,
                "name": by,
                "rows": [_row(by, row, window) for row in work_by(by, since, kinds)],
            }
            for by, words, head in _TABLES
        ],
        "most": MOST,
        "runs_url": _runs(since=window.name, kind=counted),
        "retried_url": _runs(since=window.name, kind=counted, look="retried"),
        "now": now,
    }


def _row(by: By, row: Work, window: Window) -> dict[str, Any]:
    links = {
        "tool": {"kind": row.key, "subject": row.name},
        "mode": {"mode": row.name},
        "user": {"owner__id__exact": row.key},
    }
    filters = links.get(by, {})
    is_listed = bool(row.name and filters)
    return {
        "name": row.name or ("no mode" if by == "mode" else NONE),
        "url": _runs(since=window.name, **filters) if is_listed else "",
        "row": row,
        "rate": _rate(row),
        "cost": _cost(row),
    }


def _rate(work: Work) -> str:
    """Of those that were not cancelled: nobody failed there."""
    return NONE if work.success_rate is None else f"{100 * work.success_rate:.1f} %"


def _cost(work: Work) -> str:
    return money_text(work.cost_usd_micros, tokens=work.unpriced)


def _charts(labels: Sequence[str], periods: Sequence[Work]) -> list[Chart]:
    return [
        ends_chart("Calls by how they ended", "Calls", labels, periods),
        percentile_chart("duration", "How long they took", labels, periods),
        stacked_bars(
            Plot(
                name="retries",
                title="Attempts beyond the first",
                x_title=TIME,
                y_title="Attempts",
                labels=labels,
                series=[Series(key="p95", title="Retries", values=[p.retries for p in periods])],
                words=count_text,
            )
        ),
        cost_chart("Known cost", TIME, labels, [p.cost_usd_micros for p in periods]),
    ]


def _runs(**filters: str) -> str:
    return f"{reverse('admin:orchestration_run_changelist')}{_query(**filters)}"


def _query(**members: str) -> str:
    return f"?{urlencode({name: value for name, value in members.items() if value})}"
