"""Model profiles in the admin. Keys go in and never come out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from agents_cfg.admin.forms import ModelProfileForm
from agents_cfg.models import ModelProfile
from agents_cfg.selectors.costs import model_profile_cost
from agents_cfg.services.model_profiles import model_profile_save
from taskmapr.foundation.admin import ProductAdmin
from taskmapr.foundation.badges import when
from taskmapr.foundation.figures import count_text, money_text

#: An ordinary answer about a page: the page and the tools go in, a paragraph comes out.
SAMPLE_INPUT: Final = 4_000
SAMPLE_OUTPUT: Final = 300
SAMPLE_TITLE: Final = f"{count_text(SAMPLE_INPUT)} tokens in, {count_text(SAMPLE_OUTPUT)} out"


@admin.register(ModelProfile)
class ModelProfileAdmin(ProductAdmin):
    form = ModelProfileForm
    list_display = (
        "name",
        "model",
        "is_enabled",
        "has_key",
        "prices",
        "sample_cost",
        "fallback",
        "changed",
    )
    list_select_related = ("fallback",)
    list_filter = ("adapter", "is_enabled", "supports_tools")
    search_fields = ("name", "model")
    autocomplete_fields = ("fallback",)
    readonly_fields = ("has_key", "sample_cost", "created_at", "updated_at")
    empty_title = "No models yet"
    empty_text = "Without one, the model named by the environment is used."
    fieldsets = (
        (None, {"fields": ("name", "model", "is_enabled", "supports_tools", "fallback")}),
        (
            "Where it is reached",
            {"fields": ("adapter", "base_url", "api_key", "has_key", "timeout_s")},
        ),
        ("Limits", {"fields": ("max_output_tokens", "context_tokens")}),
        (
            "What a run costs",
            {
                "fields": ("input_price_usd", "output_price_usd", "sample_cost"),
                "description": (
                    "US dollars per million tokens. Left empty, the public list of prices is asked;"
                    " a model that is not on it costs an unknown amount, never nothing."
                ),
            },
        ),
        ("Times", {"fields": ("created_at", "updated_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelProfile]:
        profiles: QuerySet[ModelProfile] = super().get_queryset(request)
        return profiles.defer("fallback__api_key")

    def save_model(self, request: HttpRequest, obj: ModelProfile, form: Any, change: bool) -> None:
        model_profile_save(profile=obj, by=request.user.get_username())

    @admin.display(description="Own key", boolean=True)
    def has_key(self, profile: ModelProfile) -> bool:
        return bool(profile.api_key)

    @admin.display(description="$ per million in / out", ordering="input_price_usd")
    def prices(self, profile: ModelProfile) -> str:
        return f"{_price(profile.input_price_usd)} / {_price(profile.output_price_usd)}"

    @admin.display(description=SAMPLE_TITLE)
    def sample_cost(self, profile: ModelProfile) -> str:
        cost = model_profile_cost(profile, input_tokens=SAMPLE_INPUT, output_tokens=SAMPLE_OUTPUT)
        return money_text(cost, tokens=SAMPLE_INPUT)

    @admin.display(description="Changed", ordering="updated_at")
    def changed(self, profile: ModelProfile) -> SafeString | str:
        return when(profile.updated_at)


def _price(value: Decimal | None) -> str:
    return "as listed" if value is None else f"{value.normalize():f}"
