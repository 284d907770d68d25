"""Model profiles in the admin. Keys go in and never come out."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any, Final

from django.contrib import admin
from django.db.models import CharField, Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action

from agents_cfg.admin.forms import ModelProfileForm
from agents_cfg.admin.model_trials import model_trials
from agents_cfg.models import ModelProfile, ModelTrial, OverlayProfile
from agents_cfg.selectors.costs import model_profile_cost
from agents_cfg.services.model_profiles import model_profile_save
from taskmapr.foundation.admin import ProductAdmin
from taskmapr.foundation.badges import status_badge, two_lines, when
from taskmapr.foundation.figures import count_text, money_text

#: An ordinary answer about a page: the page and the tools go in, a paragraph comes out.
SAMPLE_INPUT: Final = 4_000
SAMPLE_OUTPUT: Final = 300
SAMPLE_TITLE: Final = f"{count_text(SAMPLE_INPUT)} tokens in, {count_text(SAMPLE_OUTPUT)} out"


@admin.register(ModelProfile)
class ModelProfileAdmin(ProductAdmin):
    form = ModelProfileForm
    list_display = ("what", "enabled", "has_key", "prices", "used", "tested", "changed")
    list_display_links = ("what",)
    list_select_related = ("fallback",)
    list_filter = ("adapter", "is_enabled", "supports_tools")
    search_fields = ("name", "model")
    autocomplete_fields = ("fallback",)
    readonly_fields = ("has_key", "sample_cost", "used_by", "created_at", "updated_at")
    actions_detail = ("to_test",)
    empty_title = "No models yet"
    empty_text = "Without one, the model named by the environment is used."
    fieldsets = (
        (None, {"fields": ("name", "model", "is_enabled", "supports_tools", "fallback")}),
        (
            "Where it is reached",
            {"fields": ("adapter", "base_url", "api_key", "has_key", "timeout_s")},
        ),
        ("Who uses it", {"fields": ("used_by",)}),
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
        uses = OverlayProfile.objects.filter(model=OuterRef("pk")).order_by().values("model")
        newest = ModelTrial.objects.filter(profile=OuterRef("pk")).order_by("-id")
        return profiles.defer("fallback__api_key").annotate(
            uses=Coalesce(Subquery(uses.annotate(n=Count("pk")).values("n")), 0),
            trial_status=Subquery(newest.values("status")[:1], output_field=CharField()),
            trial_at=Subquery(newest.values("created_at")[:1]),
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(partial(model_trials, model_admin=self))
        test = path("<int:object_id>/test/", view, name="agents_cfg_modelprofile_test")
        return [test, *super().get_urls()]

    @action(description="Test this model", url_path="to-test")  # type: ignore[untyped-decorator]
    def to_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect(reverse("admin:agents_cfg_modelprofile_test", args=[object_id]))

    def save_model(self, request: HttpRequest, obj: ModelProfile, form: Any, change: bool) -> None:
        model_profile_save(profile=obj, by=request.user.get_username())

    @admin.display(description="Name", ordering="name")
    def what(self, profile: ModelProfile) -> SafeString:
        instead = f", else {profile.fallback.name}" if profile.fallback else ""
        return two_lines(profile.name, f"{profile.model}{instead}")

    @admin.display(description="Enabled", boolean=True, ordering="is_enabled")
    def enabled(self, profile: ModelProfile) -> bool:
        return profile.is_enabled

    @admin.display(description="Profiles", ordering="uses")
    def used(self, profile: Any) -> int:
        return int(profile.uses)

    @admin.display(description="Last test")
    def tested(self, profile: Any) -> SafeString | str:
        if profile.trial_at is None:
            return "never"
        return two_lines(status_badge(profile.trial_status), when(profile.trial_at))

    @admin.display(description="Overlay profiles")
    def used_by(self, profile: ModelProfile) -> SafeString | str:
        """Those whose model it is, and those whose requests may ask for it."""
        wanted = Q(model=profile.pk) | Q(allowed_models__contains=[profile.name])
        rows = OverlayProfile.objects.filter(wanted).values_list("pk", "name")
        links = (
            (reverse("admin:agents_cfg_overlayprofile_change", args=[pk]), name)
            for pk, name in rows
        )
        return format_html_join(", ", '<a class="tm-link" href="{}">{}</a>', links) or "none"

    @admin.display(description="Own key", boolean=True)
    def has_key(self, profile: ModelProfile) -> bool:
        return bool(profile.api_key)

    @admin.display(description="$ per million in / out", ordering="input_price_usd")
    def prices(self, profile: ModelProfile) -> SafeString:
        each = f"{_price(profile.input_price_usd)} / {_price(profile.output_price_usd)}"
        return two_lines(each, f"{self.sample_cost(profile)} an answer")

    @admin.display(description=SAMPLE_TITLE)
    def sample_cost(self, profile: ModelProfile) -> str:
        cost = model_profile_cost(profile, input_tokens=SAMPLE_INPUT, output_tokens=SAMPLE_OUTPUT)
        return money_text(cost, tokens=SAMPLE_INPUT)

    @admin.display(description="Changed", ordering="updated_at")
    def changed(self, profile: ModelProfile) -> SafeString | str:
        return when(profile.updated_at)


def _price(value: Decimal | None) -> str:
    return "as listed" if value is None else f"{value.normalize():f}"
