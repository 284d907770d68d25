"""The page on which operators have a task of one type done at once."""

from __future__ import annotations

from typing import Any, Final, cast
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin

from orchestration.admin.argument_forms import ArgumentsForm
from orchestration.models import TaskDefinition
from orchestration.selectors.task_types import task_type_to_assign
from orchestration.services.task_assign import Order, Ordering, task_assign
from taskmapr.core.errors import InvalidInput, TaskMaprError
from taskmapr.core.ids import uuid7
from taskmapr.core.task_types import TaskType

#: Having work done is doing something about runs, whatever it is that is done.
PERMISSION: Final = "orchestration.change_run"
COLOURS: Final = {"read": "ok", "write": "waiting", "dangerous": "failed"}


def task_run_now(request: HttpRequest, *, model_admin: ModelAdmin, object_id: int) -> HttpResponse:
    """GET: the form, with the type's example in it. POST: the task, and the way to its page."""
    definition = get_object_or_404(TaskDefinition, pk=object_id)
    may_look = model_admin.has_view_permission(request, definition)
    if not (may_look and request.user.has_perm(PERMISSION)):
        raise PermissionDenied
    task_type, refusal = _task_type(definition)
    form = _form(request, task_type) if task_type else None
    if request.method == "POST" and form is not None and form.is_valid():
        answer = _assigned(request, model_admin, definition, form.arguments)
        if answer is not None:
            return answer
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Run {definition.name} now",
        "opts": model_admin.opts,
        "definition": definition,
        "task_type": task_type,
        "colour": COLOURS[definition.danger],
        "form": form,
        "refusal": refusal,
    }
    return TemplateResponse(request, "admin/task_run_now.html", context)


def _task_type(definition: TaskDefinition) -> tuple[TaskType | None, str]:
    """The type, or why it cannot be run."""
    try:
        return task_type_to_assign(definition.name, None), ""
    except TaskMaprError as error:
        return None, error.detail


def _form(request: HttpRequest, task_type: TaskType) -> ArgumentsForm:
    return ArgumentsForm(
        task_type.params_schema,
        lambda params: _check(task_type, params),
        request.POST if request.method == "POST" else None,
        given={**task_type.defaults, **task_type.example},
        is_open=task_type.params_schema.get("additionalProperties", True) is not False,
    )


def _check(task_type: TaskType, params: Any) -> None:
    """Paths of the problems begin at the parameters, as the form names its fields."""
    if not isinstance(params, dict):
        raise InvalidInput.of(("", "must be an object"))
    try:
        task_type.params_of(params)
    except InvalidInput as error:
        fields = error.details.get("fields", [])
        raise InvalidInput.of(
            *((f["path"].removeprefix("params").removeprefix("."), f["message"]) for f in fields)
        ) from None


def _assigned(
    request: HttpRequest,
    model_admin: ModelAdmin,
    definition: TaskDefinition,
    params: dict[str, Any],
) -> HttpResponse | None:
    """None when it was refused after all; why is told on the page."""
    run_id = uuid7()
    order = Order(task_type=definition.name, params=params)
    by = Ordering(owner_id=cast(UUID, request.user.pk), credential=None)
    try:
        task_assign(run_id=run_id, order=order, by=by)
    except TaskMaprError as error:
        messages.error(request, error.detail)
        return None
    model_admin.log_change(request, definition, f"run now as {run_id}")
    messages.success(request, "It is assigned: this is its page.")
    return redirect("admin:orchestration_run_change", run_id)
