"""What remains of runs that are gone."""

from __future__ import annotations

from django.contrib import admin

from orchestration.models import ErasedRuns
from taskmapr.foundation.admin import ReadOnlyAdmin
from taskmapr.foundation.figures import count_text, money_text


@admin.register(ErasedRuns)
class ErasedRunsAdmin(ReadOnlyAdmin):
    list_display = ("day", "kind", "status", "runs", "tokens_in", "tokens_out", "spent")
    list_display_links = None
    list_filter = ("kind", "status")
    date_hierarchy = "day"
    ordering = ("-day",)
    empty_title = "Nothing was erased"
    empty_text = "When a session or an account is deleted, the counts of its runs stay here."

    @admin.display(description="Tokens in", ordering="input_tokens")
    def tokens_in(self, row: ErasedRuns) -> str:
        return count_text(row.input_tokens)

    @admin.display(description="Tokens out", ordering="output_tokens")
    def tokens_out(self, row: ErasedRuns) -> str:
        return count_text(row.output_tokens)

    @admin.display(description="Cost", ordering="cost_usd_micros")
    def spent(self, row: ErasedRuns) -> str:
        return money_text(row.cost_usd_micros)
