"""Scheduled chores: what beat sends to workers, when it last did and when it will again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    PeriodicTasks,
    SolarSchedule,
)

from taskmapr.core.errors import Conflict
from taskmapr.foundation.admin import ReadOnlyAdmin, confirmed_action
from taskmapr.foundation.badges import status_badge, two_lines, when
from taskmapr.foundation.figures import NONE

#: Beat is late by more than this many intervals, and by a minute at least: something is wrong.
LATE_INTERVALS: Final = 3
LATE_AT_LEAST: Final = timedelta(minutes=1)

for _model in (PeriodicTask, ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule):
    admin.site.unregister(_model)


@confirmed_action(
    verb="Stop",
    done="stopped",
    consequence="Beat sends it no more until it is started again. Its work is left undone.",
    permission="django_celery_beat.change_periodictask",
)
def stop(task: PeriodicTask) -> None:
    _switch(task, is_on=False)


@confirmed_action(
    verb="Start",
    done="started",
    consequence="Beat sends it again at its next time.",
    permission="django_celery_beat.change_periodictask",
)
def start(task: PeriodicTask) -> None:
    _switch(task, is_on=True)


def _switch(task: PeriodicTask, *, is_on: bool) -> None:
    if task.enabled == is_on:
        raise Conflict(f"It is {'running' if is_on else 'stopped'} already.")
    PeriodicTask.objects.filter(pk=task.pk).update(enabled=is_on)
    # Beat looks for this mark; an update of the row alone would not reach it.
    PeriodicTasks.update_changed()


@admin.register(PeriodicTask)
class ChoreAdmin(ReadOnlyAdmin):
    """Schedules come from the settings; here they are watched, stopped and started."""

    list_display = ("what", "state", "rhythm", "last", "following", "total_run_count")
    list_display_links = ("what",)
    list_filter = ("enabled",)
    search_fields = ("name", "task")
    ordering = ("name",)
    actions = (stop, start)
    fields = ("name", "task", "enabled", "rhythm", "last", "following", "total_run_count", "queue")
    empty_title = "No chores yet"
    empty_text = "Beat writes them down when it starts."

    def get_queryset(self, request: HttpRequest) -> QuerySet[PeriodicTask]:
        tasks: QuerySet[PeriodicTask] = super().get_queryset(request)
        return tasks.select_related("interval", "crontab", "solar", "clocked")

    @admin.display(description="Chore", ordering="name")
    def what(self, task: PeriodicTask) -> SafeString:
        return two_lines(task.name.rpartition(".")[2].replace("_", " "), task.task, is_wide=True)

    @admin.display(description="State")
    def state(self, task: PeriodicTask) -> SafeString:
        if not task.enabled:
            return status_badge("cancelled", "stopped")
        due = _due_at(task)
        if due is not None and _is_late(task, due):
            return status_badge("failed", "late")
        return status_badge("ok", "on time") if due else status_badge("waiting", "not run yet")

    @admin.display(description="Rhythm")
    def rhythm(self, task: PeriodicTask) -> str:
        return str(task.scheduler) if task.scheduler else NONE

    @admin.display(description="Last sent", ordering="last_run_at")
    def last(self, task: PeriodicTask) -> SafeString | str:
        return when(task.last_run_at) if task.last_run_at else "never"

    @admin.display(description="Next")
    def following(self, task: PeriodicTask) -> SafeString | str:
        due = _due_at(task) if task.enabled else None
        return when(due) if due else NONE


def _due_at(task: PeriodicTask) -> datetime | None:
    """When it is sent next, as its schedule says; None when it never was."""
    if task.last_run_at is None:
        return None
    left: timedelta = task.schedule.remaining_estimate(task.last_run_at)
    return datetime.now(UTC) + left


def _is_late(task: PeriodicTask, due: datetime) -> bool:
    rhythm: timedelta = due - task.last_run_at
    return datetime.now(UTC) - due > max(LATE_AT_LEAST, LATE_INTERVALS * rhythm)
