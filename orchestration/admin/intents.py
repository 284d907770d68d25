"""Intents in the admin: rules of modes, what is offered and why, keys of repeats."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.decorators import action

from agents_cfg.admin.forms import CheckedForm
from orchestration.intents.modes import ASKED_MODES
from orchestration.models import IdempotencyKey, ModeRule
from orchestration.selectors.intents import Caller, intent_choose, intents_for
from orchestration.services.mode_rules import (
    idempotency_key_free,
    mode_rule_check,
    mode_rule_save,
)
from taskmapr.core.errors import TaskMaprError
from taskmapr.foundation.admin import ProductAdmin, ReadOnlyAdmin, confirmed_action
from taskmapr.foundation.badges import link, status_badge, two_lines, when
from taskmapr.foundation.figures import NONE
from taskmapr.users.credentials import Credential
from taskmapr.users.models import User


class ModeRuleForm(CheckedForm):
    check_instance = staticmethod(mode_rule_check)


@admin.register(ModeRule)
class ModeRuleAdmin(ProductAdmin):
    form = ModeRuleForm
    list_display = ("number", "pattern", "whose", "how", "per_minute", "is_enabled")
    list_display_links = ("pattern",)
    list_editable = ("number",)
    list_select_related = ("user",)
    list_filter = ("mode", "is_enabled")
    search_fields = ("pattern", "target", "user__email")
    autocomplete_fields = ("user",)
    actions_list = ("to_intents",)
    empty_title = "No rules yet"
    empty_text = "Without one, each intent takes the first mode that fits: see what is offered."
    fieldsets = (
        (None, {"fields": ("number", "pattern", "user", "is_enabled")}),
        ("How", {"fields": ("mode", "target")}),
        ("How often", {"fields": ("per_minute",)}),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(partial(intents_page, model_admin=self))
        offered = path("intents/", view, name="orchestration_moderule_intents")
        return [offered, *super().get_urls()]

    @action(description="What is offered, and why", url_path="to-intents")  # type: ignore[untyped-decorator]
    def to_intents(self, request: HttpRequest) -> HttpResponse:
        return redirect(reverse("admin:orchestration_moderule_intents"))

    def save_model(self, request: HttpRequest, obj: ModeRule, form: Any, change: bool) -> None:
        mode_rule_save(rule=obj, by=request.user.get_username())

    @admin.display(description="Whose", ordering="user")
    def whose(self, rule: ModeRule) -> str:
        return str(rule.user) if rule.user is not None else "everybody's"

    @admin.display(description="Mode", ordering="mode")
    def how(self, rule: ModeRule) -> SafeString | str:
        if not rule.mode:
            return NONE
        told = f"{rule.get_mode_display()} → {rule.target}" if rule.target else rule.mode
        return status_badge("ok", told)


def intents_page(request: HttpRequest, model_admin: ModeRuleAdmin) -> HttpResponse:
    """Every intent for one user, and which mode an intent would take."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    asked = {name: request.GET.get(name, "").strip()[:254] for name in ("intent", "mode", "email")}
    user = User.objects.filter(email=asked["email"].lower()).first() if asked["email"] else None
    caller = _caller(user or request.user)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Intents",
        "opts": model_admin.model._meta,
        "asked": asked,
        "modes": ASKED_MODES,
        "caller": caller.user,
        "is_unknown": bool(asked["email"]) and user is None,
        "explained": _explained(asked["intent"], asked["mode"], caller),
        "lines": intents_for(caller),
    }
    return TemplateResponse(request, "admin/intents.html", context)


def _caller(user: Any) -> Caller:
    return Caller(user=user, credential=Credential(kind="session", ref=f"user:{user.pk}"))


def _explained(intent: str, mode: str, caller: Caller) -> dict[str, str] | None:
    if not intent:
        return None
    known: Any = mode if mode in ASKED_MODES else "auto"
    try:
        chosen = intent_choose(intent, known, caller)
    except TaskMaprError as error:
        return {"badge": "failed", "word": error.code, "why": error.detail}
    target = "" if chosen.target == intent else f", as {chosen.target}"
    return {"badge": "ok", "word": chosen.mode, "why": f"{chosen.reason}{target}"}


@confirmed_action(
    verb="Free",
    done="freed",
    consequence="The next equal request begins a job of its own.",
    permission="orchestration.delete_idempotencykey",
)
def free_keys(key: IdempotencyKey) -> None:
    idempotency_key_free(key)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    list_display = ("begins", "kind", "owner", "job", "made", "ends")
    list_select_related = ("owner", "run")
    list_filter = ("kind",)
    search_fields = ("owner__email", "=run__id")
    readonly_fields = ("kind", "fingerprint")
    fields = ("owner", "kind", "run", "fingerprint", "created_at", "expires_at")
    actions = (free_keys,)
    empty_title = "No keys now"
    empty_text = "They appear with requests, and go when their time is over."

    @admin.display(description="Key", ordering="key")
    def begins(self, key: IdempotencyKey) -> str:
        return str(key)

    @admin.display(description="Run")
    def job(self, key: IdempotencyKey) -> SafeString:
        page = reverse("admin:orchestration_run_change", args=[key.run_id])
        return two_lines(link(page, key.run.subject or key.run.kind), status_badge(key.run.status))

    @admin.display(description="Made", ordering="created_at")
    def made(self, key: IdempotencyKey) -> SafeString | str:
        return when(key.created_at)

    @admin.display(description="Ends", ordering="expires_at")
    def ends(self, key: IdempotencyKey) -> SafeString | str:
        return when(key.expires_at)
