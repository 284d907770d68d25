"""The page on which operators call a tool that reads, and see what it answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin

from agents_cfg.models import Tool
from orchestration.admin.argument_forms import ArgumentsForm
from orchestration.models import ToolTrial
from orchestration.services.tool_trials import LIMIT_S, tool_trial_request, tool_trial_spec
from taskmapr.core.errors import TaskMaprError, ToolDenied
from taskmapr.users.models import User

#: A trial that waits longer than this was not taken by any worker, or lost with one.
PATIENCE: Final = timedelta(seconds=LIMIT_S + 15)


def tool_trials(request: HttpRequest, *, model_admin: ModelAdmin, object_id: int) -> HttpResponse:
    """GET: the form and the trials, newest first. POST: one more.

    Who looks may ask: results are what the tool says to the operator who asked.
    """
    tool = get_object_or_404(Tool.objects.select_related("server"), pk=object_id)
    if not model_admin.has_change_permission(request, tool):
        raise PermissionDenied
    form, refusal = _form(request, tool)
    if request.method == "POST" and form is not None and form.is_valid():
        return _asked(request, model_admin, tool, form.arguments)
    trials = [_shown(row) for row in ToolTrial.objects.filter(tool=tool).select_related("user")]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Test of {tool.name}",
        "opts": model_admin.opts,
        "tool": tool,
        "form": form,
        "refusal": refusal,
        "trials": trials,
        "is_waiting": any(trial["status"] == "waiting" for trial in trials),
    }
    return TemplateResponse(request, "admin/tool_trials.html", context)


def _form(request: HttpRequest, tool: Tool) -> tuple[ArgumentsForm | None, str]:
    """The form, or why there is none."""
    try:
        spec = tool_trial_spec(tool)
    except ToolDenied as error:
        return None, error.detail
    data = request.POST if request.method == "POST" else None
    return ArgumentsForm(spec.input_schema, spec.check, data), ""


def _asked(
    request: HttpRequest, model_admin: ModelAdmin, tool: Tool, args: dict[str, Any]
) -> HttpResponse:
    try:
        tool_trial_request(tool=tool, args=args, user=cast("User", request.user))
    except TaskMaprError as error:
        messages.error(request, error.detail)
    else:
        model_admin.log_change(request, tool, "tested")
    return redirect(reverse("admin:agents_cfg_tool_test", args=[tool.pk]))


def _shown(trial: ToolTrial) -> dict[str, Any]:
    is_waiting = trial.status == "waiting"
    is_lost = is_waiting and datetime.now(UTC) - trial.created_at > PATIENCE
    return {
        "row": trial,
        "status": "failed" if is_lost else trial.status,
        "is_lost": is_lost,
        # While it waits, a secret may still be among them.
        "args": "" if is_waiting else json.dumps(trial.args, ensure_ascii=False),
    }
