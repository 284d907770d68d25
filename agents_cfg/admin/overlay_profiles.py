"""Overlay profiles in the admin."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.decorators import action

from agents_cfg.admin.forms import OverlayProfileForm
from agents_cfg.admin.profile_versions import profile_versions
from agents_cfg.models import OverlayProfile
from agents_cfg.services.overlay_profiles import overlay_profile_copy, overlay_profile_save
from taskmapr.core.tools import registry
from taskmapr.foundation.admin import ProductAdmin, confirmed_action
from taskmapr.foundation.badges import when


@confirmed_action(
    verb="Copy",
    done="copied",
    consequence="Each copy behaves the same under a new name, and belongs to no site yet.",
    permission="agents_cfg.add_overlayprofile",
    tells_actor=True,
)
def copy_profiles(profile: OverlayProfile, by: str) -> None:
    overlay_profile_copy(profile=profile, by=by)


@admin.register(OverlayProfile)
class OverlayProfileAdmin(ProductAdmin):
    form = OverlayProfileForm
    list_display = ("name", "is_default", "version", "model", "offered", "origins", "changed")
    list_select_related = ("model",)
    list_filter = ("is_default", "disconnect_policy", "model")
    search_fields = ("name",)
    autocomplete_fields = ("model",)
    readonly_fields = ("version", "created_at", "updated_at")
    actions = (copy_profiles,)
    actions_detail = ("to_versions",)
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

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(partial(profile_versions, model_admin=self))
        name = "agents_cfg_overlayprofile_versions"
        return [path("<int:object_id>/versions/", view, name=name), *super().get_urls()]

    @action(description="Versions", url_path="to-versions")  # type: ignore[untyped-decorator]
    def to_versions(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect(reverse("admin:agents_cfg_overlayprofile_versions", args=[object_id]))

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
