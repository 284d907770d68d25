"""MCP servers in the admin: how they are, and which of their tools are allowed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.admin import TabularInline

from agents_cfg.admin.mcp_forms import McpServerForm, SecretLinesInput, ToolForm, tool_note
from agents_cfg.models import McpServer, McpServerState, Tool
from agents_cfg.services.mcp_servers import mcp_check_enqueue, mcp_server_save
from agents_cfg.services.tools import tool_save
from taskmapr.foundation.admin import ProductAdmin
from taskmapr.foundation.badges import link, status_badge, two_lines, when
from taskmapr.foundation.figures import NONE

_COLOURS = {
    McpServerState.AVAILABLE: "ok",
    McpServerState.UNAVAILABLE: "failed",
    McpServerState.UNKNOWN: "waiting",
}


class DiscoveredTools(TabularInline):  # type: ignore[misc]
    """What the server offers. A new tool is disabled until somebody allows it."""

    model = Tool
    form = ToolForm
    fields = (
        "what",
        "is_enabled",
        "danger",
        "has_effect",
        "needs_approval",
        "inject_user_id",
        "note",
    )
    readonly_fields = ("what", "note")
    extra = 0
    can_delete = False
    verbose_name_plural = "discovered tools"
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        of_environment = obj is not None and obj.is_of_environment
        return (*self.readonly_fields, *(("is_enabled",) if of_environment else ()))

    @admin.display(description="Tool")
    def what(self, tool: Tool) -> SafeString:
        return two_lines(tool.remote_name, tool.summary or NONE, is_wide=True)

    @admin.display(description="Note")
    def note(self, tool: Tool) -> SafeString | str:
        note = tool_note(tool)
        if not tool.is_changed:
            return note
        return link(reverse("admin:agents_cfg_tool_change", args=[tool.pk]), note)


@admin.register(McpServer)
class McpServerAdmin(ProductAdmin):
    form = McpServerForm
    inlines = (DiscoveredTools,)
    list_display = ("what", "is_enabled", "state_shown", "allowed", "revision", "checked")
    list_display_links = ("what",)
    list_filter = ("state", "transport", "is_enabled")
    search_fields = ("name", "url", "command")
    actions = ("reconnect",)
    readonly_fields = (
        "state_shown",
        "last_error",
        "software",
        "revision",
        "checked",
        "has_headers",
        "has_env",
    )
    empty_title = "No MCP servers yet"
    empty_text = "Connect one, or set MCP_BASE_URL, and assistants may call the tools you allow."
    fieldsets = (
        (None, {"fields": ("name", "is_enabled", "transport")}),
        ("State", {"fields": ("state_shown", "last_error", "software", "revision", "checked")}),
        ("Over HTTP", {"fields": ("url", "headers", "has_headers")}),
        (
            "As a program",
            {
                "classes": ("collapse",),
                "fields": ("command", "args", "env", "has_env"),
                "description": (
                    "Every worker runs this program with its own rights: whoever may set it up may"
                    " run any code there. It needs the permission to run programs."
                ),
            },
        ),
        (
            "Limits",
            {"classes": ("collapse",), "fields": ("connect_timeout_s", "call_timeout_s")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[McpServer]:
        servers: QuerySet[McpServer] = super().get_queryset(request)
        present = Q(tools__is_present=True)
        return servers.annotate(
            tools_found=Count("tools", filter=present),
            tools_allowed=Count("tools", filter=present & Q(tools__is_enabled=True)),
        )

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "args":
            field.widget.attrs["rows"] = 2
            field.help_text = 'A list of texts, such as ["-y", "some-server"]'
        if db_field.name in ("headers", "env"):
            field.widget = SecretLinesInput()
            example = "Authorization: Bearer …" if db_field.name == "headers" else "API_KEY=…"
            field.help_text = (
                f"One per line, such as {example} Stored sealed and never shown. Leave empty to"
                " keep what is stored; tick the box to remove it."
            )
        return field

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        form.request = request
        return form

    def get_readonly_fields(
        self, request: HttpRequest, obj: McpServer | None = None
    ) -> tuple[str, ...]:
        if obj is None or not obj.is_of_environment:
            return self.readonly_fields
        shown = {name for _, options in self.fieldsets for name in options["fields"]}
        return tuple(shown - {"headers", "env"})

    def get_fieldsets(self, request: HttpRequest, obj: McpServer | None = None) -> Any:
        if obj is None or not obj.is_of_environment:
            return self.fieldsets
        note = "Kept by MCP_BASE_URL and MCP_ALLOWED_TOOLS; change them in the environment."
        place = {"fields": ("name", "is_enabled", "transport", "url"), "description": note}
        return ((None, place), self.fieldsets[1])

    def has_delete_permission(self, request: HttpRequest, obj: McpServer | None = None) -> bool:
        of_environment = obj is not None and obj.is_of_environment
        return not of_environment and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: McpServer, form: Any, change: bool) -> None:
        if not obj.is_of_environment:
            mcp_server_save(server=obj, by=request.user.get_username())

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        for tool in formset.save(commit=False):
            tool_save(tool=tool, by=request.user.get_username())

    @admin.action(description="Reconnect", permissions=["change"])
    def reconnect(self, request: HttpRequest, queryset: QuerySet[McpServer]) -> None:
        if mcp_check_enqueue(*queryset.values_list("pk", flat=True)):
            self.message_user(request, "A worker tries them now; look again in a few seconds.")
        else:
            self.message_user(request, "No worker could be asked: Redis is away.", messages.ERROR)

    @admin.display(description="Server", ordering="name")
    def what(self, server: McpServer) -> SafeString:
        return two_lines(server.name, server.url or server.command, is_wide=True)

    @admin.display(description="State", ordering="state")
    def state_shown(self, server: McpServer) -> SafeString | str:
        if server.pk is None:
            return NONE
        state = McpServerState(server.state)
        return status_badge(_COLOURS[state], str(state.label))

    @admin.display(description="Tools allowed")
    def allowed(self, server: Any) -> str:
        return f"{server.tools_allowed} of {server.tools_found}"

    @admin.display(description="Asked", ordering="checked_at")
    def checked(self, server: McpServer) -> SafeString | str:
        return when(server.checked_at)

    @admin.display(description="Headers stored", boolean=True)
    def has_headers(self, server: McpServer) -> bool:
        return bool(server.headers)

    @admin.display(description="Variables stored", boolean=True)
    def has_env(self, server: McpServer) -> bool:
        return bool(server.env)
