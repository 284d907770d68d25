"""Overlay profiles in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from agents_cfg.admin.forms import OverlayProfileForm
from agents_cfg.models import OverlayProfile
from agents_cfg.services.overlay_profiles import overlay_profile_save
from taskmapr.core.tools import registry
from taskmapr.foundation.admin import ProductAdmin
from taskmapr.foundation.badges import when


@admin.register(OverlayProfile)
class OverlayProfileAdmin(ProductAdmin):
    form = OverlayProfileForm
    list_display = ("name", "is_default", "version", "model", "offered", "origins", "changed")
    list_select_related = ("model",)
    list_filter = ("is_default", "disconnect_policy", "model")
    search_fields = ("name",)
    autocomplete_fields = ("model",)
    readonly_fields = ("version", "created_at", "updated_at")
    empty_title = "No profiles yet"
    empty_text = "Without one, the built-in defaults hold for every site."
    fieldsets = (
        (None, {"fields": ("name", "is_default", "version", "allowed_origins")}),
        (
            "What it says",
            {"fields": ("instructions", "allow_client_instructions", "routes", "keywords")},
        ),
        ("Its model", {"fields": ("model", "allowed_models", "temperature", "max_output_tokens")}),
        (
            "What it may do",
            {"fields": ("tools", "navigate_origins", "allow_submit_click", "custom_actions")},
        ),
        (
            "What it knows",
            {
                "fields": (
                    "knowledge_collections",
                    "mcp_servers",
                    "recall_sessions",
                    "recall_preferences",
                )
            },
        ),
        (
            "Limits",
            {
                "fields": (
                    "disconnect_policy",
                    "max_turns",
                    "run_timeout_s",
                    "rate_limit_per_minute",
                )
            },
        ),
        ("Times", {"fields": ("created_at", "updated_at")}),
    )

    def save_model(
        self, request: HttpRequest, obj: OverlayProfile, form: Any, change: bool
    ) -> None:
        overlay_profile_save(profile=obj, by=request.user.get_username())

    def has_delete_permission(
        self, request: HttpRequest, obj: OverlayProfile | None = None
    ) -> bool:
        """The default stays: sites without a profile of their own rely on it."""
        is_default = obj is not None and obj.is_default
        return not is_default and super().has_delete_permission(request, obj)

    @admin.display(description="Tools")
    def offered(self, profile: OverlayProfile) -> int:
        return len(registry.named(profile.tools))

    @admin.display(description="Origins")
    def origins(self, profile: OverlayProfile) -> str:
        return ", ".join(profile.allowed_origins) or "any that is allowed"

    @admin.display(description="Changed", ordering="updated_at")
    def changed(self, profile: OverlayProfile) -> SafeString | str:
        return when(profile.updated_at)
