"""What remains of runs that are gone."""

from __future__ import annotations

from django.contrib import admin

from orchestration.models import ErasedRuns
from taskmapr.foundation.admin import ReadOnlyAdmin
from taskmapr.foundation.figures import money_text


@admin.register(ErasedRuns)
class ErasedRunsAdmin(ReadOnlyAdmin):
    list_display = ("day", "kind", "status", "runs", "input_tokens", "output_tokens", "spent")
    list_display_links = None
    list_filter = ("kind", "status")
    date_hierarchy = "day"
    empty_title = "Nothing was erased"
    empty_text = "When a session or an account is deleted, the counts of its runs stay here."

    @admin.display(description="Cost", ordering="cost_usd_micros")
    def spent(self, row: ErasedRuns) -> str:
        return money_text(row.cost_usd_micros)
