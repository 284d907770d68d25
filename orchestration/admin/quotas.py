"""Quotas in the admin: how much may be used, and how much is."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from agents_cfg.admin.forms import CheckedForm
from agents_cfg.selectors.fresh import fresh
from billing.models import Quota, QuotaScope, QuotaUse
from billing.selectors.quotas import uses_now
from billing.services.quotas import quota_check, quota_save
from taskmapr.foundation.admin import ProductAdmin
from taskmapr.foundation.badges import two_lines
from taskmapr.foundation.figures import NONE, count_text, money_text


class QuotaForm(CheckedForm):
    check_instance = staticmethod(quota_check)

    def validate_constraints(self) -> None:
        """The check of the service says the same, in words and beside the field."""


@admin.register(Quota)
class QuotaAdmin(ProductAdmin):
    form = QuotaForm
    list_display = ("what", "period", "limits", "used", "is_enabled")
    list_display_links = ("what",)
    list_select_related = ("user", "api_key")
    list_filter = ("scope", "period", "is_enabled")
    search_fields = ("pattern", "user__email")
    autocomplete_fields = ("user", "api_key")
    empty_title = "No quotas"
    empty_text = "Everybody may use as much as they like. What is used is counted all the same."
    fieldsets = (
        ("Whom", {"fields": ("scope", "user", "api_key")}),
        ("What", {"fields": ("pattern", "period", "is_enabled")}),
        (
            "How much",
            {
                "fields": ("max_calls", "max_tokens", "max_cost_usd_micros"),
                "description": "At least one; what is empty is not limited.",
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Quota]:
        rows: QuerySet[Quota] = super().get_queryset(request)
        return rows.prefetch_related(Prefetch("uses", queryset=uses_now(), to_attr="uses_now"))

    def save_model(self, request: HttpRequest, obj: Quota, form: Any, change: bool) -> None:
        quota_save(quota=obj, by=request.user.get_username())

    def delete_model(self, request: HttpRequest, obj: Quota) -> None:
        super().delete_model(request, obj)
        fresh.forget()

    @admin.display(description="Quota", ordering="pattern")
    def what(self, quota: Quota) -> SafeString:
        whom = quota.user or quota.api_key or quota.get_scope_display()
        return two_lines(quota.pattern, whom, is_wide=True)

    @admin.display(description="Limits")
    def limits(self, quota: Quota) -> str:
        return ", ".join(most for _, most, _ in _shares(quota, QuotaUse())) or NONE

    @admin.display(description="Used now")
    def used(self, quota: Any) -> SafeString | str:
        """By whoever has used the most of it."""
        uses: list[QuotaUse] = quota.uses_now
        if not uses:
            return "nothing yet"
        (share, most, used) = max(
            (one for use in uses for one in _shares(quota, use)), key=lambda one: one[0]
        )
        text = f"{used} of {most}"
        if quota.scope != QuotaScope.EVERYBODY and len(uses) > 1:
            text += f", the most of {len(uses)}"
        return render_to_string("parts/_progress.html", {"fraction": min(share, 1.0), "text": text})


def _shares(quota: Quota, use: QuotaUse) -> list[tuple[float, str, str]]:
    """Of each limit: the part that is used, the limit in words, what is used in words."""
    cost = use.cost_usd_micros + use.reserved_cost_usd_micros
    rows = (
        (quota.max_calls, use.calls + use.reserved_calls, count_text, " calls"),
        (quota.max_tokens, use.tokens, count_text, " tokens"),
        (quota.max_cost_usd_micros, cost, money_text, ""),
    )
    return [
        (used / most if most else 1.0, f"{words(most)}{unit}", words(used))
        for most, used, words, unit in rows
        if most is not None
    ]
