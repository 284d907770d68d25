"""Types of tasks: those of the code with what operators say of them, and those they write down."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action

from agents_cfg.admin.forms import CheckedForm
from orchestration.admin.step_forms import StepsField, StepsWidget
from orchestration.admin.task_run_now import COLOURS, PERMISSION, task_run_now
from orchestration.models import TaskDefinition
from orchestration.models.task_definition import DefinitionKind
from orchestration.selectors.task_types import task_type_problems, task_types_all
from orchestration.services.task_types import (
    task_definition_check,
    task_definition_delete,
    task_definition_save,
    task_definitions_note,
    task_types_reload,
)
from taskmapr.foundation.admin import ProductAdmin
from taskmapr.foundation.badges import status_badge, two_lines, when
from taskmapr.foundation.figures import NONE

#: What operators say of a type that is made in code.
_OF_CODE = ("is_enabled", "concurrency")
_KIND_HELP = (
    'An alias needs {"type": name, "params": {}} and fixes these parameters; an intent'
    ' {"intent": name, "inputs": {}}; an HTTP request {"method", "url", "headers", "secrets":'
    ' {header: name of a secret}}, and sends the parameters as JSON unless "body" is given;'
    " {{ params.name }} puts one of them in, also into the address behind its host;"
    ' a prompt for a model {"instructions": text, "tools": [names], "model": name}: it is told the'
    " parameters and may call these tools, and without them none. Tasks one after another have rows"
    " in its place; their time counts all steps together."
)


class TaskDefinitionForm(CheckedForm):
    check_instance = staticmethod(task_definition_check)
    words = {
        "params_schema": "Schema of its parameters",
        "timeout_s": "Seconds of one attempt",
        "max_retries": "Attempts after the first",
        "concurrency": "At once (0: any number)",
    }
    steps = StepsField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if (kind := self.fields.get("kind")) is not None and hasattr(kind, "choices"):
            kind.choices = [c for c in kind.choices if c[0] != DefinitionKind.CODE]
        steps = self.fields["steps"]
        if isinstance(steps.widget, StepsWidget):
            named = (made.name for made in task_types_all() if made.name != self.instance.name)
            steps.widget.types = tuple(named)
        if self.instance.kind == DefinitionKind.SEQUENCE:
            self.initial["steps"] = self.instance.content.get("steps")

    def clean(self) -> dict[str, Any]:
        """Of a sequence the rows are its content, unless somebody wrote that down."""
        cleaned = super().clean()
        steps, kind = cleaned.get("steps"), cleaned.get("kind", self.instance.kind)
        has_rows = bool(steps) or "content" not in self.fields
        if kind == DefinitionKind.SEQUENCE and steps is not None and has_rows:
            cleaned["content"] = self.instance.content = {"steps": steps}
        return cleaned

    def field_of(self, path: str) -> str | None:
        kind = self.cleaned_data.get("kind", self.instance.kind)
        is_of_steps = path == "content" and kind == DefinitionKind.SEQUENCE
        return "steps" if is_of_steps else super().field_of(path)


@admin.register(TaskDefinition)
class TaskDefinitionAdmin(ProductAdmin):
    form = TaskDefinitionForm
    list_display = ("what", "is_enabled", "kind", "danger_shown", "limits", "version", "changed")
    list_display_links = ("what",)
    list_filter = ("is_enabled", "kind", "danger")
    search_fields = ("name", "title", "description")
    readonly_fields = ("version", "changed")
    actions_list = ("reload",)
    actions_detail = ("to_run_now",)
    actions_row = ("to_run_now",)
    empty_title = "No task types yet"
    empty_text = "They appear when this page is opened."
    fieldsets = (
        (None, {"fields": ("name", "kind", "title", "description", "is_enabled")}),
        ("What it does", {"fields": ("content", "steps", "params_schema", "example")}),
        ("Limits", {"fields": ("danger", "timeout_s", "max_retries", "concurrency")}),
        ("Version", {"fields": ("version", "changed")}),
    )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """What is broken is told here."""
        if request.method == "GET":
            task_definitions_note()
            for problem in task_type_problems():
                messages.warning(request, f"{problem.where}: {problem.message}")
        answer: HttpResponse = super().changelist_view(request, extra_context)
        return answer

    @action(  # type: ignore[untyped-decorator]
        description="Reload", url_path="reload", permissions=["change"]
    )
    def reload(self, request: HttpRequest) -> HttpResponse:
        task_types_reload()
        messages.success(request, f"{len(task_types_all())} types of tasks are there.")
        return redirect(reverse("admin:orchestration_taskdefinition_changelist"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(partial(task_run_now, model_admin=self))
        now = path("<int:object_id>/run/", view, name="orchestration_taskdefinition_run")
        return [now, *super().get_urls()]

    @action(  # type: ignore[untyped-decorator]
        description="Run now", url_path="to-run-now", permissions=["run_now"]
    )
    def to_run_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect(reverse("admin:orchestration_taskdefinition_run", args=[object_id]))

    def has_run_now_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm(PERMISSION))

    def get_fieldsets(self, request: HttpRequest, obj: TaskDefinition | None = None) -> Any:
        if obj is None or obj.kind != DefinitionKind.CODE:
            head, does, *rest = self.fieldsets
            is_sequence = obj is not None and obj.kind == DefinitionKind.SEQUENCE
            other = None if obj is None else "content" if is_sequence else "steps"
            fields = tuple(name for name in does[1]["fields"] if name != other)
            told = "" if is_sequence else _KIND_HELP
            return (head, (does[0], {"fields": fields, "description": told}), *rest)
        shown = ("name", "title", *_OF_CODE, "version", "changed")
        return ((None, {"fields": shown}),)

    def get_readonly_fields(
        self, request: HttpRequest, obj: TaskDefinition | None = None
    ) -> tuple[str, ...]:
        """Tasks and keys refer to a type by its name."""
        if obj is None:
            return self.readonly_fields
        more = ("title",) if obj.kind == DefinitionKind.CODE else ()
        return ("name", "kind", *more, *self.readonly_fields)

    def has_delete_permission(
        self, request: HttpRequest, obj: TaskDefinition | None = None
    ) -> bool:
        is_ours = obj is not None and obj.kind == DefinitionKind.CODE
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed and not is_ours

    def save_model(
        self, request: HttpRequest, obj: TaskDefinition, form: Any, change: bool
    ) -> None:
        task_definition_save(definition=obj, by=request.user.get_username())

    def delete_model(self, request: HttpRequest, obj: TaskDefinition) -> None:
        task_definition_delete(definition=obj, by=request.user.get_username())

    @admin.display(description="Type", ordering="name")
    def what(self, row: TaskDefinition) -> SafeString:
        return two_lines(row.name, row.title or NONE, is_wide=True)

    @admin.display(description="Steps")
    def steps(self, row: TaskDefinition) -> SafeString | str:
        """For those who may only look; the form has rows in its place."""
        named = ((step["name"], step["type"]) for step in row.content.get("steps") or ())
        return format_html_join(", ", "{}: {}", named) or NONE

    @admin.display(description="Danger", ordering="danger")
    def danger_shown(self, row: TaskDefinition) -> SafeString:
        return status_badge(COLOURS[row.danger], row.danger)

    @admin.display(description="Limits")
    def limits(self, row: TaskDefinition) -> SafeString:
        at_once = f"{row.concurrency} at once" if row.concurrency else "any number at once"
        return two_lines(f"{row.timeout_s:g} s, {row.max_retries} retries", at_once)

    @admin.display(description="Changed", ordering="updated_at")
    def changed(self, row: TaskDefinition) -> SafeString | str:
        return when(row.updated_at)
