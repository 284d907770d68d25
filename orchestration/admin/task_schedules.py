"""Schedules of tasks: when they begin, for whom, and what the last one came to."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from agents_cfg.admin.forms import CheckedForm
from orchestration.models import TaskSchedule
from orchestration.services.task_schedules import (
    task_schedule_begin,
    task_schedule_check,
    task_schedule_delete,
    task_schedule_save,
)
from taskmapr.core.errors import Conflict
from taskmapr.foundation.admin import ProductAdmin, confirmed_action
from taskmapr.foundation.badges import link, two_lines, when
from taskmapr.foundation.figures import NONE


class TaskScheduleForm(CheckedForm):
    check_instance = staticmethod(task_schedule_check)
    words = {
        "cron": "Cron expression",
        "every_s": "Or every so many seconds",
        "timezone": "Time zone of the expression",
        "is_enabled": "Enabled",
    }


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
    list_display = ("what", "is_enabled", "rhythm", "owner", "last")
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
        return two_lines(link(url, run.status), when(schedule.last_begun_at))
