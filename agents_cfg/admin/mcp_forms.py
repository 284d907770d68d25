"""Forms for MCP servers and tools."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextareaWidget

from agents_cfg.admin.forms import CheckedForm
from agents_cfg.models import McpServer, McpTransport, Tool
from agents_cfg.services.mcp_servers import mcp_server_check
from agents_cfg.services.tools import tool_check
from taskmapr.foundation.admin import UnfoldSecretInput

RUN_PROGRAMS = "agents_cfg.run_programs"


class SecretLinesInput(UnfoldSecretInput):
    """Several lines that are never shown again."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        typed = UnfoldAdminTextareaWidget(attrs={"rows": 3, "autocomplete": "off"})
        self.widgets = [typed, *self.widgets[1:]]


def _check_editable(server: McpServer) -> None:
    """The environment's row is shown and not edited: there is nothing to refuse."""
    if not server.is_of_environment:
        mcp_server_check(server)


class McpServerForm(CheckedForm):
    check_instance = staticmethod(_check_editable)
    sent_to = {"headers": "url"}
    words = {
        "is_enabled": "Enabled",
        "url": "Address",
        "command": "Program",
        "args": "Arguments",
        "env": "Variables",
        "headers": "Headers",
        "connect_timeout_s": "Seconds to connect",
        "call_timeout_s": "Seconds for a call",
    }
    #: Set by the admin.
    request: HttpRequest

    def clean(self) -> dict[str, Any]:
        """A program is code that runs as the worker: that needs a permission of its own."""
        cleaned = super().clean()
        is_program = McpTransport.STDIO in (cleaned.get("transport"), self.initial.get("transport"))
        if is_program and self.changed_data and not self.request.user.has_perm(RUN_PROGRAMS):
            self.add_error("transport", "Only who may run programs on workers may set this up.")
        return cleaned


def tool_note(tool: Tool) -> str:
    """What an operator must know about the row of a tool, in a word or two."""
    if tool.problem:
        return f"cannot be offered: {tool.problem}"
    if not tool.is_present:
        return "not there any more"
    return "changed since it was allowed" if tool.is_changed else ""


class ToolForm(CheckedForm):
    check_instance = staticmethod(tool_check)
    words = {
        "is_enabled": "Allowed",
        "has_effect": "Has an effect",
        "needs_approval": "Ask first",
        "inject_user_id": "Knows the user",
        "timeout_s": "Seconds for a call",
        "cost_usd_micros": "Cost per call",
        "cost_usd_micros_per_s": "Cost per second",
    }

    class Meta:
        model = Tool
        fields = (
            "is_enabled",
            "danger",
            "has_effect",
            "needs_approval",
            "inject_user_id",
            "timeout_s",
            "cost_usd_micros",
            "cost_usd_micros_per_s",
        )
