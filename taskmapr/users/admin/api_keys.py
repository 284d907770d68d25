"""API keys in the admin: made, shown once, revoked. And the way to the page about signing in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from taskmapr.core.errors import InvalidInput
from taskmapr.foundation.admin import ProductAdmin, confirmed_action
from taskmapr.foundation.badges import link, status_badge, two_lines, when
from taskmapr.users.admin.fresh_keys import fresh_key_keep, fresh_key_take
from taskmapr.users.admin.sign_in import keys_fetch_asked, sign_in_page
from taskmapr.users.development import keys_forget
from taskmapr.users.models import ApiKey, User
from taskmapr.users.scopes import Scope
from taskmapr.users.services.api_keys import (
    KeyBounds,
    api_key_check,
    api_key_issue,
    api_key_revoke,
)

STATES: Final = ("active", "expired", "revoked")
#: What a key may be limited to, beside its scopes.
BOUNDS: Final = ("intents", "task_types", "networks")


def _bounds(given: Mapping[str, Any]) -> KeyBounds:
    return KeyBounds(**{name: tuple(given.get(name) or ()) for name in BOUNDS})


@confirmed_action(
    verb="Revoke key",
    done="revoked",
    consequence="Programs that use it are refused from now on. It cannot be given back.",
    permission="users.change_apikey",
)
def revoke_keys(key: ApiKey) -> None:
    api_key_revoke(key_id=key.pk)


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((state, state) for state in STATES), ("unused", "never used")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        is_over = Q(expires_at__lte=timezone.now())
        match self.value():
            case "revoked":
                return queryset.exclude(revoked_at=None)
            case "expired":
                return queryset.filter(is_over, revoked_at=None)
            case "active":
                return queryset.filter(revoked_at=None).exclude(is_over)
            case "unused":
                return queryset.filter(last_used_at=None)
        return queryset


class ScopeFilter(admin.SimpleListFilter):
    title = "scope"
    parameter_name = "scope"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(scope), str(scope)) for scope in Scope]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        return queryset.filter(scopes__contains=[self.value()]) if self.value() else queryset


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new key. What the service would refuse is said beside the field."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, f"{scope.value}: {scope.label}") for scope in Scope],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Cannot be changed afterwards.",
    )
    #: Who fills in the form; set by the admin.
    operator: User

    def clean(self) -> dict[str, Any]:
        given = cast(dict[str, Any], super().clean())
        owner, operator = given.get("user"), self.operator
        if owner and owner.is_staff and owner != operator and not operator.is_superuser:
            self.add_error("user", "Only a superuser makes keys for other operators.")
        if not self.errors and "scopes" in given:
            self._check(given)
        return given

    def _check(self, given: dict[str, Any]) -> None:
        try:
            api_key_check(
                user_id=given["user"].pk,
                scopes=given["scopes"],
                expires_at=given.get("expires_at"),
                bounds=_bounds(given),
            )
        except InvalidInput as error:
            for problem in error.details["fields"]:
                self.add_error(problem["path"], problem["message"])


@admin.register(ApiKey)
class ApiKeyAdmin(ProductAdmin):
    form = ApiKeyForm
    list_display = ("what", "owner", "good_for", "state", "used", "ends", "made_by")
    list_display_links = ("what",)
    list_filter = (StateFilter, ScopeFilter, "created_at")
    list_select_related = ("user", "created_by")
    search_fields = ("name", "beginning", "user__email")
    search_help_text = "A name, how the key begins, or its owner's address"
    autocomplete_fields = ("user",)
    actions = (revoke_keys,)
    empty_title = "No API keys yet"
    empty_text = "Programs that have no person to sign in use one: add the first."
    new_fields = ("user", "name", "scopes", *BOUNDS, "expires_at", "rate_per_minute")
    fixed_fields = (
        "user",
        "beginning",
        "good_for",
        "limited_to",
        "state",
        "expires_at",
        "rate_per_minute",
        "last_used_at",
        "revoked_at",
        "created_by",
        "created_at",
    )

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        return self.new_fields if obj is None else ("name", *self.fixed_fields)

    def get_readonly_fields(
        self, request: HttpRequest, obj: ApiKey | None = None
    ) -> tuple[str, ...]:
        return () if obj is None else self.fixed_fields

    def get_form(
        self, request: HttpRequest, obj: ApiKey | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if change:
            return super().get_form(request, obj, change, form=forms.ModelForm, **kwargs)
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.operator = request.user
        return form

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        keys: QuerySet[ApiKey] = super().get_queryset(request)
        return keys.defer("key_hash", "user__password", "created_by__password")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("sign-in/", view(sign_in_page), name="users_sign_in"),
            path("sign-in/fetch/", view(keys_fetch_asked), name="users_keys_fetch"),
            path("<uuid:key_id>/fresh/", view(self.fresh_view), name="users_apikey_fresh"),
            *super().get_urls(),
        ]

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False  # a revoked key stays, so that what was done with it can be told

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=["name"])
            return
        issued = api_key_issue(
            user_id=obj.user_id,
            name=obj.name,
            scopes=obj.scopes,
            created_by=request.user.pk,
            expires_at=obj.expires_at,
            rate_per_minute=obj.rate_per_minute,
            bounds=_bounds({name: getattr(obj, name) for name in BOUNDS}),
        )
        obj.pk, obj.beginning = issued.row.pk, issued.row.beginning
        fresh_key_keep(request, issued)
        keys_forget()

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        return redirect("admin:users_apikey_fresh", obj.pk)

    def fresh_view(self, request: HttpRequest, key_id: Any) -> HttpResponse:
        """The new key, once, to whoever made it. Afterwards its page."""
        key = self.get_object(request, str(key_id))
        text = fresh_key_take(request, key_id)
        if key is None or text is None:
            return redirect("admin:users_apikey_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": "New API key",
            "opts": self.opts,
            "key": key,
            "text": text,
        }
        return TemplateResponse(request, "users/fresh_key.html", context)

    @admin.display(description="Key")
    def what(self, key: ApiKey) -> SafeString:
        return two_lines(key.name, f"{key.beginning}…", is_wide=True)

    @admin.display(description="Acts for", ordering="user__email")
    def owner(self, key: ApiKey) -> SafeString:
        return link(reverse("admin:users_user_change", args=[key.user_id]), key.user.email)

    @admin.display(description="Scopes")
    def good_for(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @admin.display(description="Limited to")
    def limited_to(self, key: ApiKey) -> str:
        named = {
            "intents": key.intents,
            "types of tasks": key.task_types,
            "addresses": key.networks,
        }
        told = [f"{what}: {', '.join(which)}" for what, which in named.items() if which]
        return "; ".join(told) or "nothing beside its scopes"

    @admin.display(description="State")
    def state(self, key: ApiKey) -> SafeString:
        if key.revoked_at is not None:
            return status_badge("cancelled", "revoked")
        if key.expires_at is not None and key.expires_at <= timezone.now():
            return status_badge("failed", "expired")
        return status_badge("succeeded", "active")

    @admin.display(description="Last used", ordering="last_used_at")
    def used(self, key: ApiKey) -> SafeString | str:
        return when(key.last_used_at) if key.last_used_at else "never"

    @admin.display(description="Ends", ordering="expires_at")
    def ends(self, key: ApiKey) -> SafeString | str:
        return when(key.expires_at) if key.expires_at else "never"

    @admin.display(description="Made", ordering="created_at")
    def made_by(self, key: ApiKey) -> SafeString:
        by = key.created_by.email if key.created_by else "by no account of today"
        return two_lines(when(key.created_at), by)
