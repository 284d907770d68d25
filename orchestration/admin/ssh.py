"""Hosts for commands in the admin: targets, what is refused everywhere, and who ran what."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.widgets import UnfoldAdminSelectWidget

from agents_cfg.admin.forms import CheckedForm
from agents_cfg.admin.lines import LinesField
from agents_cfg.services.secrets import secret_names
from orchestration.models import CommandRule, SshAudit, SshDecision, SshTarget
from orchestration.models.ssh import PATH_PREFIXES
from orchestration.services.ssh_checks import ssh_check_begin
from orchestration.services.ssh_targets import (
    command_rule_check,
    command_rule_save,
    host_key_of,
    ssh_changed,
    ssh_target_check,
    ssh_target_save,
)
from orchestration.targets.ssh_deny import DenyPattern, deny_reasons
from orchestration.targets.ssh_peek import Allowed, peek_decision
from orchestration.targets.ssh_shell import TooTangled, commands_in
from taskmapr.core.errors import QueueUnavailable
from taskmapr.foundation.admin import ProductAdmin, ReadOnlyAdmin
from taskmapr.foundation.badges import id_link, link, status_badge, two_lines, when
from taskmapr.foundation.figures import NONE, duration_text

_COLOURS: Final = {
    SshDecision.ALLOWED: "ok",
    SshDecision.DRY_RUN: "waiting",
    SshDecision.REFUSED: "failed",
}


def fingerprint(key: str) -> str:
    """As `ssh-keygen -lf` shows it; empty for what is no key."""
    words = key.split()
    try:
        blob = base64.b64decode(words[1])
    except (IndexError, binascii.Error):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


class SshTargetForm(CheckedForm):
    check_instance = staticmethod(ssh_target_check)
    words = {
        "is_enabled": "Enabled",
        "key_secret": "Secret with the private key",
        "allows_peek": "May be looked at (ssh.exec.peek)",
        "allows_exec": "May be changed (ssh.exec)",
        "is_for_everybody": "For everybody",
        "agent_may_use": "Models may choose it",
    }
    host_keys = LinesField(
        rows=3, help_text="Public keys of the host, as ssh-keyscan prints them. Only these count."
    )
    path_prefixes = LinesField(rows=6, help_text="Files below these may be looked at.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "key_secret" in self.fields:
            names = [("", "choose one"), *((name, name) for name in secret_names())]
            self.fields["key_secret"].widget = UnfoldAdminSelectWidget(choices=names)

    def clean_host_keys(self) -> list[str]:
        return [host_key_of(line) for line in self.cleaned_data["host_keys"]]


@admin.register(SshTarget)
class SshTargetAdmin(ProductAdmin):
    form = SshTargetForm
    list_display = ("what", "state", "tools", "for_models", "used", "checked")
    list_display_links = ("what",)
    list_filter = ("is_enabled", "agent_may_use")
    search_fields = ("alias", "address")
    autocomplete_fields = ("users",)
    readonly_fields = ("checked", "shown_key")
    actions = ("check_now",)
    empty_title = "No hosts yet"
    empty_text = "Commands run only on hosts that are registered here, with their keys."
    fieldsets = (
        (None, {"fields": ("alias", "is_enabled", "address", "port")}),
        ("Signing in", {"fields": ("user", "key_secret", "host_keys")}),
        ("Last test of the connection", {"fields": ("checked", "shown_key")}),
        (
            "Who may do what",
            {
                "fields": (
                    "allows_peek",
                    "allows_exec",
                    "is_for_everybody",
                    "users",
                    "agent_may_use",
                )
            },
        ),
        ("What may be looked at", {"fields": ("path_prefixes",)}),
    )

    def save_model(self, request: HttpRequest, obj: SshTarget, form: Any, change: bool) -> None:
        ssh_target_save(target=obj, by=request.user.get_username())

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        ssh_changed()

    @admin.action(description="Test the connection", permissions=["change"])
    def check_now(self, request: HttpRequest, queryset: QuerySet[SshTarget]) -> None:
        """A worker looks; what it finds is on the page of each target."""
        for target in queryset:
            try:
                ssh_check_begin(target=target)
            except QueueUnavailable:
                self.message_user(request, "Nobody could be asked: Redis is away.", messages.ERROR)
                return
            page = link(
                reverse("admin:orchestration_sshtarget_change", args=[target.pk]),
                "See what it found",
            )
            self.message_user(request, format_html("{}: a worker looks. {}", target.alias, page))

    @admin.display(description="Host", ordering="alias")
    def what(self, target: SshTarget) -> SafeString:
        place = f"{target.user}@{target.address}:{target.port}"
        return two_lines(target.alias, place, is_wide=True)

    @admin.display(description="State", ordering="is_enabled")
    def state(self, target: SshTarget) -> SafeString:
        return status_badge("ok", "on") if target.is_enabled else status_badge("waiting", "off")

    @admin.display(description="Allows")
    def tools(self, target: SshTarget) -> str:
        named = {"peek": target.allows_peek, "exec": target.allows_exec}
        return ", ".join(name for name, is_allowed in named.items() if is_allowed) or "nothing"

    @admin.display(description="Models", boolean=True, ordering="agent_may_use")
    def for_models(self, target: SshTarget) -> bool:
        return target.agent_may_use

    @admin.display(description="Last used", ordering="last_used_at")
    def used(self, target: SshTarget) -> SafeString | str:
        return when(target.last_used_at) if target.last_used_at else "never"

    @admin.display(description="Last test", ordering="checked_at")
    def checked(self, target: SshTarget) -> SafeString | str:
        if target.checked_at is None:
            return "never"
        return format_html("{} {}", target.check_told, when(target.checked_at))

    @admin.display(description="Key that it showed")
    def shown_key(self, target: SshTarget) -> SafeString | str:
        """Told, not trusted: an operator compares it with what the host's owner says."""
        if not target.presented_key:
            return NONE
        is_pinned = target.presented_key in target.host_keys
        word = "pinned" if is_pinned else "not pinned: compare it with the host's owner"
        badge = status_badge("ok" if is_pinned else "failed", word)
        return format_html(
            '{}<br><code class="tm-break">{}</code><br><code class="tm-break">{}</code>',
            badge,
            fingerprint(target.presented_key),
            target.presented_key,
        )


class CommandRuleForm(CheckedForm):
    check_instance = staticmethod(command_rule_check)
    words = {"is_enabled": "Enabled", "reason": "What callers are told"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "pattern" in self.fields:
            self.fields["pattern"].help_text = (
                "A regular expression, searched for in each command of a line: without sudo and"
                " quotes, one space between words, paths without spare parts."
            )


@admin.register(CommandRule)
class CommandRuleAdmin(ProductAdmin):
    form = CommandRuleForm
    list_display = ("reason", "shown_pattern", "state", "changed")
    list_display_links = ("reason",)
    list_filter = ("is_enabled",)
    search_fields = ("reason", "pattern")
    fields = ("reason", "pattern", "is_enabled")
    empty_title = "No rules"
    empty_text = "Every confirmed command is carried out then."

    def save_model(self, request: HttpRequest, obj: CommandRule, form: Any, change: bool) -> None:
        command_rule_save(rule=obj, by=request.user.get_username())

    def delete_model(self, request: HttpRequest, obj: CommandRule) -> None:
        super().delete_model(request, obj)
        ssh_changed()

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.check_command)
        return [path("check/", page, name="ssh_command_check"), *super().get_urls()]

    def check_command(self, request: HttpRequest) -> HttpResponse:
        """POST {command, target}: both decisions, and what they rest on. Runs nothing."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "Check a command",
            "opts": self.opts,
            "targets": list(SshTarget.objects.values_list("alias", flat=True)),
            "command": request.POST.get("command", "")[:4096],
            "target": request.POST.get("target", ""),
        }
        if request.method == "POST":
            context |= _judged(context["command"], context["target"])
        return TemplateResponse(request, "admin/command_check.html", context)

    @admin.display(description="Pattern", ordering="pattern")
    def shown_pattern(self, rule: CommandRule) -> SafeString:
        return format_html('<code class="tm-clamp" title="{0}">{0}</code>', rule.pattern)

    @admin.display(description="State", ordering="is_enabled")
    def state(self, rule: CommandRule) -> SafeString:
        return status_badge("ok", "on") if rule.is_enabled else status_badge("waiting", "off")

    @admin.display(description="Changed", ordering="updated_at")
    def changed(self, rule: CommandRule) -> SafeString | str:
        return when(rule.updated_at)


def _judged(command: str, alias: str) -> dict[str, Any]:
    target = SshTarget.objects.filter(alias=alias).first()
    decision = peek_decision(command, target.path_prefixes if target else PATH_PREFIXES)
    rules = [
        rule
        for rule in CommandRule.objects.filter(is_enabled=True)
        if deny_reasons(command, [DenyPattern.of(rule.pattern, rule.reason)])
    ]
    try:
        seen = commands_in(command)
    except TooTangled as error:
        seen = [f"it cannot be told what it does: {error}"]
    is_allowed = isinstance(decision, Allowed)
    return {
        "is_judged": True,
        "peek": {
            "word": "allowed" if is_allowed else "refused",
            "colour": "ok" if is_allowed else "failed",
            "sent": decision.quoted if isinstance(decision, Allowed) else "",
            "paths": decision.paths if isinstance(decision, Allowed) else (),
            "refused": None if isinstance(decision, Allowed) else decision,
        },
        "rules": rules,
        "seen": seen,
    }


@admin.register(SshAudit)
class SshAuditAdmin(ReadOnlyAdmin):
    list_display = ("what", "decided", "ended", "who", "run_shown", "at_shown")
    list_display_links = ("what",)
    list_select_related = ("user",)
    list_filter = ("decision", "tool", "is_models_choice", ("at", RangeDateTimeFilter))
    search_fields = ("target", "command", "principal", "user__email", "run_id")
    search_help_text = "A host, a command, who asked, or the id of a run"
    date_hierarchy = "at"
    fieldsets = (
        (None, {"fields": ("tool", "target", "shown_command", "at_shown")}),
        ("Decision", {"fields": ("decided", "asked_by", "run_shown")}),
        ("How it ended", {"fields": ("ended", "took")}),
    )
    empty_title = "No commands yet"
    empty_text = "Every call of ssh.exec and ssh.exec.peek leaves a row, also a refused one."

    @admin.display(description="Command")
    def what(self, row: SshAudit) -> SafeString:
        return two_lines(row.command[:200], f"{row.tool} on {row.target}", is_wide=True)

    @admin.display(description="Decision", ordering="decision")
    def decided(self, row: SshAudit) -> SafeString:
        decision = SshDecision(row.decision)
        badge = status_badge(_COLOURS[decision], str(decision.label))
        return format_html("{} {}", badge, "; ".join(row.reasons)[:200])

    @admin.display(description="Ended")
    def ended(self, row: SshAudit) -> SafeString | str:
        if row.error_code:
            # It may break behind any of its words.
            words = ((word,) for word in row.error_code.split("_"))
            return format_html_join(mark_safe("_<wbr>"), "{}", words)
        return NONE if row.exit_code is None else f"exit {row.exit_code}"

    @admin.display(description="Command")
    def shown_command(self, row: SshAudit) -> SafeString:
        return format_html('<code class="tm-break">{}</code>', row.command)

    @admin.display(description="Took")
    def took(self, row: SshAudit) -> str:
        return duration_text(row.duration_ms)

    @admin.display(description="In the name of")
    def asked_by(self, row: SshAudit) -> SafeString:
        """Whole, unlike in the list."""
        name = row.user.email if row.user else "an account that is gone"
        how = "as a model chose" if row.is_models_choice else "as was asked"
        return format_html("{}, {}, by <code>{}</code>", name, how, row.principal)

    @admin.display(description="In the name of", ordering="principal")
    def who(self, row: SshAudit) -> SafeString:
        name = row.user.email if row.user else NONE
        asked = f"{row.principal}, a model's choice" if row.is_models_choice else row.principal
        return two_lines(name, asked)

    @admin.display(description="Run")
    def run_shown(self, row: SshAudit) -> SafeString | str:
        if row.run_id is None:
            return NONE
        page = reverse("admin:orchestration_run_change", args=[row.run_id])
        return id_link(page, row.run_id)

    @admin.display(description="When", ordering="at")
    def at_shown(self, row: SshAudit) -> SafeString | str:
        return when(row.at)
