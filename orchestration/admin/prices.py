"""What tools cost, as a list to be filled in."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from agents_cfg.models import ToolPrice
from agents_cfg.services.tools import tool_save
from taskmapr.core.tools import registry
from taskmapr.foundation.admin import ProductAdmin
from taskmapr.foundation.badges import two_lines
from taskmapr.foundation.figures import NONE, money_text


@admin.register(ToolPrice)
class ToolPriceAdmin(ProductAdmin):
    list_display = ("tool", "authors", "cost_usd_micros", "cost_usd_micros_per_s")
    list_display_links = ("tool",)
    list_editable = ("cost_usd_micros", "cost_usd_micros_per_s")
    search_fields = ("name",)
    readonly_fields = ("name", "authors")
    fields = ("name", "authors", "cost_usd_micros", "cost_usd_micros_per_s")
    empty_title = "No tools yet"
    empty_text = "They appear when the first worker has started."

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ToolPrice, form: Any, change: bool) -> None:
        tool_save(tool=obj, by=request.user.get_username())

    @admin.display(description="Tool", ordering="name")
    def tool(self, price: ToolPrice) -> SafeString:
        return two_lines(price.name, price.summary or NONE, is_wide=True)

    @admin.display(description="As its author says")
    def authors(self, price: ToolPrice) -> SafeString | str:
        """Servers say nothing of prices."""
        spec = registry.get(price.name)
        if spec is None or not (spec.cost_usd_micros or spec.cost_usd_micros_per_s):
            return NONE if spec is None else "free"
        return two_lines(
            f"{money_text(spec.cost_usd_micros)} a call",
            f"{money_text(spec.cost_usd_micros_per_s)} a second",
        )
