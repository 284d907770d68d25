"""Flow mappings in the admin: which workflow carries out an intent, and what is sent to it."""

from __future__ import annotations

from typing import Any, Final

import orjson
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget

from agents_cfg.admin.forms import CheckedForm
from agents_cfg.services.secrets import secret_names
from orchestration.models import FlowMapping
from orchestration.services.flow_mappings import flow_mapping_check, flow_mapping_save
from orchestration.targets.flows import flow_auth, flow_body, flow_url, resume_url, target_of
from taskmapr.core.errors import TaskMaprError
from taskmapr.foundation.admin import ProductAdmin
from taskmapr.foundation.badges import status_badge, two_lines
from taskmapr.foundation.figures import NONE

_JOB: Final = "job_" + "0" * 32


class FlowMappingForm(CheckedForm):
    check_instance = staticmethod(flow_mapping_check)
    words = {
        "pattern": "Intents",
        "is_enabled": "Enabled",
        "place": "Path, flow id or address",
        "auth_header": "Header",
        "secret": "Secret",
        "input_schema": "Schema of the inputs",
        "is_synchronous": "Answers at once",
        "timeout_s": "Seconds until its answer",
        "is_retry_safe": "Safe to repeat",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [("", "as the environment says"), *((name, name) for name in secret_names())]
        self.fields["secret"].widget = UnfoldAdminSelectWidget(choices=names)
        helps = {
            "place": "n8n: the webhook's path, empty: made of the intent. ActivePieces: the flow's"
            " id. Otherwise the whole address. {intent} stands for the intent in a path.",
            "auth_header": "Empty: X-N8N-Auth for n8n, Authorization for others",
            "secret": "Its value from the secret store",
            "is_synchronous": "No: it takes the work and answers to callback_url later",
            "timeout_s": "Empty: as ORCHESTRATOR_FLOW_TIMEOUT says",
            "is_retry_safe": "It may be called again when nobody knows what became of a call",
        }
        for name, text in helps.items():
            self.fields[name].help_text = text


@admin.register(FlowMapping)
class FlowMappingAdmin(ProductAdmin):
    form = FlowMappingForm
    list_display = ("what", "state", "engine", "place", "answers", "repeats")
    list_display_links = ("what",)
    list_filter = ("engine", "is_enabled")
    search_fields = ("pattern", "description", "place")
    readonly_fields = ("preview",)
    empty_title = "No flow mappings yet"
    empty_text = (
        "Without one, gmail.*, slack.* and calendar.* go to n8n by their names; add one for other"
        " intents, other engines, or limits of their own."
    )
    fieldsets = (
        (None, {"fields": ("pattern", "description", "is_enabled")}),
        ("Where", {"fields": ("engine", "place", "method", "auth_header", "secret")}),
        ("How", {"fields": ("is_synchronous", "timeout_s", "is_retry_safe", "input_schema")}),
        ("What would be sent", {"fields": ("preview",)}),
    )

    def save_model(self, request: HttpRequest, obj: FlowMapping, form: Any, change: bool) -> None:
        flow_mapping_save(mapping=obj, by=request.user.get_username())

    @admin.display(description="Intents", ordering="pattern")
    def what(self, mapping: FlowMapping) -> SafeString:
        return two_lines(mapping.pattern, mapping.description or NONE, is_wide=True)

    @admin.display(description="State", ordering="is_enabled")
    def state(self, mapping: FlowMapping) -> SafeString:
        return status_badge("ok", "on") if mapping.is_enabled else status_badge("waiting", "off")

    @admin.display(description="Answers", ordering="is_synchronous")
    def answers(self, mapping: FlowMapping) -> str:
        return "at once" if mapping.is_synchronous else "later"

    @admin.display(description="Safe to repeat", ordering="is_retry_safe")
    def repeats(self, mapping: FlowMapping) -> str:
        return "yes" if mapping.is_retry_safe else "no"

    @admin.display(description="Request")
    def preview(self, mapping: FlowMapping) -> SafeString | str:
        """Of what is stored; secrets are not shown."""
        if mapping.pk is None:
            return "Save it first."
        return format_html('<div class="tm-code"><pre>{}</pre></div>', _preview(mapping))


def _preview(mapping: FlowMapping) -> str:
    flow = target_of(mapping)
    intent = mapping.pattern.removesuffix("*") + ("example" if "*" in mapping.pattern else "")
    try:
        line = f"{flow.method} {flow_url(flow, intent)}"
    except TaskMaprError as error:
        return error.detail
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": _JOB,
        "X-TaskMapr-Job-Id": _JOB,
        **dict.fromkeys(flow_auth(flow, "hidden" if flow.secret else ""), "[hidden]"),
    }
    body = flow_body(
        job_id=_JOB,
        intent=intent,
        inputs={},
        context=None,
        user_id="<the user's id>",
        callback_url=resume_url(_JOB, "[one-time token]"),
    )
    shown = orjson.dumps(body, option=orjson.OPT_INDENT_2).decode()
    return "\n".join([line, *(f"{name}: {value}" for name, value in headers.items()), "", shown])
