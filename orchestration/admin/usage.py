"""The ledger in the admin: a chart of the last thirty days above the list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from billing.models import Usage
from billing.selectors.usage import usage_report
from orchestration.admin.charts import Chart, Plot, Series, stacked_bars
from orchestration.admin.run_charts import cost_chart
from taskmapr.foundation.admin import ReadOnlyAdmin
from taskmapr.foundation.badges import two_lines
from taskmapr.foundation.figures import NONE, count_text, money_text

#: Days in the charts.
DAYS: Final = 30


class OfRuns(admin.SimpleListFilter):
    """Runs, or what they were made of: both at once would count everything twice."""

    title = "counted"
    parameter_name = "counted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("parts", "Tools and models")]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Runs"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        is_parts = self.value() == "parts"
        return queryset.exclude(part="") if is_parts else queryset.filter(part="")


@admin.register(Usage)
class UsageAdmin(ReadOnlyAdmin):
    list_display = ("day", "what", "user", "mode", "counted", "tokens", "cost")
    list_display_links = None
    list_select_related = ("user",)
    list_filter = (OfRuns, "day", "kind", "mode")
    search_fields = ("user__email", "subject", "part")
    search_help_text = "A part of an address, an intent, a tool"
    date_hierarchy = "day"
    change_list_template = "admin/usage.html"
    empty_title = "Nothing was used"
    empty_text = "Runs are counted a few seconds after their end."

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        charts = usage_charts() if self.has_view_permission(request) else []
        shown: HttpResponse = super().changelist_view(
            request, {"charts": charts, **(extra_context or {})}
        )
        return shown

    @admin.display(description="What", ordering="subject")
    def what(self, row: Usage) -> SafeString:
        return two_lines(row.part or row.subject or row.kind, row.credential or row.kind)

    @admin.display(description="Calls", ordering="calls")
    def counted(self, row: Usage) -> SafeString | str:
        calls = count_text(row.calls)
        return two_lines(calls, f"{count_text(row.failed)} failed") if row.failed else calls

    @admin.display(description="Tokens in / out", ordering="input_tokens")
    def tokens(self, row: Usage) -> str:
        if not row.input_tokens + row.output_tokens:
            return NONE
        return f"{count_text(row.input_tokens)} / {count_text(row.output_tokens)}"

    @admin.display(description="Cost", ordering="cost_usd_micros")
    def cost(self, row: Usage) -> SafeString | str:
        cost = money_text(row.cost_usd_micros)
        return two_lines(cost, f"{count_text(row.unpriced)} unpriced") if row.unpriced else cost


def usage_charts() -> list[Chart]:
    """Calls and known cost of everybody, day by day."""
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    report = usage_report(group_by="day", first=days[0], last=today, user_id=None)
    found = {row.name: row for row in report.rows}
    rows = [found.get(day.isoformat()) for day in days]
    labels = [day.strftime("%d %b") for day in days]
    failed = [row.failed if row else 0 for row in rows]
    calls = [row.calls if row else 0 for row in rows]
    done = [all_of - bad for all_of, bad in zip(calls, failed, strict=True)]
    cost = [row.cost_usd_micros if row else 0 for row in rows]
    return [
        stacked_bars(
            Plot(
                name="calls",
                title="Runs a day",
                x_title="Day (UTC)",
                y_title="Runs",
                labels=labels,
                series=[
                    Series(key="succeeded", title="Succeeded", values=done),
                    Series(key="failed", title="Did not", values=failed),
                ],
                words=count_text,
            )
        ),
        cost_chart("Known cost a day", "Day (UTC)", labels, cost),
    ]
