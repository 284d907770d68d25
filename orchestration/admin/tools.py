"""Every tool of this installation, and what operators say about it."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action

from agents_cfg.admin.mcp_forms import ToolForm, tool_note
from agents_cfg.models import Tool, ToolDanger
from agents_cfg.services.tools import tool_save
from orchestration.admin.tool_trials import tool_trials
from orchestration.selectors.tool_calls import tool_calls_lately
from taskmapr.foundation.admin import ProductAdmin
from taskmapr.foundation.badges import status_badge, two_lines, when
from taskmapr.foundation.figures import NONE, count_text

_COLOURS = {
    ToolDanger.READ: "ok",
    ToolDanger.WRITE: "waiting",
    ToolDanger.DANGEROUS: "failed",
}

CHANGED: Final = (
    "It is not offered any more. Read what its server says of it now, and allow it again, or leave"
    " it."
)


@admin.register(Tool)
class ToolAdmin(ProductAdmin):
    form = ToolForm
    list_display = ("what", "is_enabled", "danger_shown", "asks_first", "calls", "note")
    actions_detail = ("to_test",)
    list_display_links = ("what",)
    list_select_related = ("server",)
    list_filter = ("is_enabled", "danger", "is_present", "server")
    search_fields = ("name", "summary")
    readonly_fields = (
        "name",
        "server",
        "summary",
        "own_danger",
        "problem",
        "schema",
        "seen",
        "change",
    )
    empty_title = "No tools yet"
    empty_text = "They appear when the first worker has started."
    fieldsets = (
        (None, {"fields": ("name", "server", "summary", "problem", "seen")}),
        (
            "What you say",
            {
                "fields": (
                    "is_enabled",
                    "own_danger",
                    "danger",
                    "has_effect",
                    "needs_approval",
                    "inject_user_id",
                    "timeout_s",
                    "cost_usd_micros",
                    "cost_usd_micros_per_s",
                ),
                "description": (
                    "A tool that is not allowed is neither offered nor called, whatever profiles"
                    " say. Tools of TaskMapr's own can be made more careful, not less."
                ),
            },
        ),
        ("Arguments", {"fields": ("schema",)}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Tool | None = None) -> Any:
        if obj is None or not obj.is_changed:
            return self.fieldsets
        changed = {"fields": ("change",), "description": CHANGED}
        return (self.fieldsets[0], ("Changed by its server", changed), *self.fieldsets[1:])

    def get_readonly_fields(self, request: HttpRequest, obj: Tool | None = None) -> tuple[str, ...]:
        """Which tools of the environment's server are allowed is said by the environment."""
        of_environment = obj is not None and obj.server is not None and obj.server.is_of_environment
        return (*self.readonly_fields, *(("is_enabled",) if of_environment else ()))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Tool | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Tool, form: Any, change: bool) -> None:
        tool_save(tool=obj, by=request.user.get_username())

    @admin.display(description="Tool", ordering="name")
    def what(self, tool: Tool) -> SafeString:
        return two_lines(tool.name, tool.summary or NONE, is_wide=True)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(partial(tool_trials, model_admin=self))
        test = path("<int:object_id>/test/", view, name="agents_cfg_tool_test")
        return [test, *super().get_urls()]

    @action(  # type: ignore[untyped-decorator]
        description="Test this tool", url_path="to-test", permissions=["change"]
    )
    def to_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect(reverse("admin:agents_cfg_tool_test", args=[object_id]))

    @admin.display(description="Calls lately")
    def calls(self, tool: Tool) -> SafeString | str:
        """Those of the newest thousand runs of seven days."""
        use = tool_calls_lately().get(tool.name)
        if use is None:
            return NONE
        failed = status_badge("failed", f"{count_text(use.failed)} failed") if use.failed else ""
        return two_lines(count_text(use.calls), failed)

    @admin.display(description="Danger", ordering="danger")
    def danger_shown(self, tool: Tool) -> SafeString:
        danger = ToolDanger(tool.danger)
        return status_badge(_COLOURS[danger], str(danger.label))

    @admin.display(description="Asks first", boolean=True)
    def asks_first(self, tool: Tool) -> bool:
        return tool.needs_approval or tool.danger == ToolDanger.DANGEROUS

    @admin.display(description="Note")
    def note(self, tool: Tool) -> str:
        return tool_note(tool)

    @admin.display(description="What changed")
    def change(self, tool: Tool) -> SafeString:
        return render_to_string("admin/_tool_change.html", {"rows": _sides(tool)})

    @admin.display(description="Schema")
    def schema(self, tool: Tool) -> SafeString:
        return format_html("<pre>{}</pre>", _indented(tool.input_schema))

    @admin.display(description="Seen", ordering="seen_at")
    def seen(self, tool: Tool) -> SafeString | str:
        return when(tool.seen_at)


def _sides(tool: Tool) -> list[tuple[str, str, str]]:
    """Name, then and now of each text about the tool that a model reads."""
    return [
        ("Description", tool.allowed_summary, tool.summary),
        ("Schema", _indented(tool.allowed_schema), _indented(tool.input_schema)),
    ]


def _indented(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
