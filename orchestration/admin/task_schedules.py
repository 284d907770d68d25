"""Schedules of tasks: when they begin, for whom, and what the last one came to."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget

from agents_cfg.admin.forms import CheckedForm
from orchestration.models import TaskSchedule
from orchestration.selectors.task_types import task_types_all
from orchestration.services.task_schedules import (
    task_schedule_begin,
    task_schedule_check,
    task_schedule_delete,
    task_schedule_save,
)
from taskmapr.core.errors import Conflict
from taskmapr.foundation.admin import ProductAdmin, confirmed_action
from taskmapr.foundation.badges import link, status_badge, two_lines, when
from taskmapr.foundation.figures import NONE


class TaskScheduleForm(CheckedForm):
    check_instance = staticmethod(task_schedule_check)
    words = {
        "params": "Parameters",
        "cron": "Cron expression",
        "every_s": "Or every so many seconds",
        "timezone": "Time zone of the expression",
        "is_enabled": "Enabled",
    }
    notes: ClassVar = {
        "params": "As the type wants them, as JSON.",
        "owner": "Its tasks work in this account's name.",
        "cron": "Five fields, such as 30 6 * * 1-5. Empty: by the interval below.",
        "every_s": "At least 10. One that is still open is not begun again.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, note in self.notes.items():
            if name in self.fields:
                self.fields[name].help_text = note
        if "params" in self.fields:
            self.fields["params"].widget.attrs["rows"] = 4
        if "task_type" in self.fields:
            self.fields["task_type"].widget = UnfoldAdminSelectWidget(choices=self._types())

    def _types(self) -> list[tuple[str, str]]:
        """Those that can be assigned, and the one that is chosen already."""
        names = {made.name for made in task_types_all() if made.enabled}
        chosen = self.instance.task_type
        return [("", "Choose a type"), *((n, n) for n in sorted({*names, chosen} - {""}))]


@confirmed_action(
    verb="Run now",
    done="begun",
    consequence="Its task begins now, unless the one before is still open.",
    permission="orchestration.change_taskschedule",
    tells_actor=True,
)
def run_now(schedule: TaskSchedule, by: str) -> None:
    if task_schedule_begin(schedule_id=schedule.pk, asked_by=by) is None:
        raise Conflict("The task before is still open, or its type is not there.")


@admin.register(TaskSchedule)
class TaskScheduleAdmin(ProductAdmin):
    form = TaskScheduleForm
    list_display = ("what", "state", "rhythm", "owner", "last")
    list_display_links = ("what",)
    list_select_related = ("owner", "last_run")
    list_filter = ("is_enabled",)
    search_fields = ("name", "task_type")
    autocomplete_fields = ("owner",)
    actions = (run_now,)
    fields = (
        "name",
        "task_type",
        "params",
        "owner",
        "cron",
        "timezone",
        "every_s",
        "is_enabled",
    )
    empty_title = "No schedules yet"
    empty_text = "Have a task begin by the clock."

    def save_model(self, request: HttpRequest, obj: TaskSchedule, form: Any, change: bool) -> None:
        task_schedule_save(schedule=obj, by=request.user.get_username())

    def delete_model(self, request: HttpRequest, obj: TaskSchedule) -> None:
        task_schedule_delete(schedule=obj, by=request.user.get_username())

    @admin.display(description="Schedule", ordering="name")
    def what(self, schedule: TaskSchedule) -> SafeString:
        return two_lines(schedule.name, schedule.task_type, is_wide=True)

    @admin.display(description="State", ordering="is_enabled")
    def state(self, schedule: TaskSchedule) -> SafeString:
        return status_badge("ok", "on") if schedule.is_enabled else status_badge("waiting", "off")

    @admin.display(description="Rhythm")
    def rhythm(self, schedule: TaskSchedule) -> SafeString | str:
        if schedule.cron:
            return two_lines(schedule.cron, schedule.timezone)
        return f"every {schedule.every_s} s"

    @admin.display(description="Last task", ordering="last_begun_at")
    def last(self, schedule: TaskSchedule) -> SafeString | str:
        run = schedule.last_run
        if run is None:
            return NONE
        url = reverse("admin:orchestration_run_change", args=[run.pk])
        return two_lines(link(url, status_badge(run.status)), when(schedule.last_begun_at))
