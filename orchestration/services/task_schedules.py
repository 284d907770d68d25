"""Tasks by the clock: beat says when, a row says what."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from django.db import transaction
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from orchestration.models import TaskSchedule
from orchestration.selectors.task_types import task_type_to_assign
from orchestration.services.run_start import NewRun, run_start
from taskmapr.core import jobs
from taskmapr.core.errors import (
    InvalidInput,
    QuotaExceeded,
    TaskDisabled,
    TaskMaprError,
    UnknownTaskType,
)
from taskmapr.core.ids import uuid7
from taskmapr.core.run_kinds import TASK
from taskmapr.core.run_state import FINAL_STATUSES
from taskmapr.foundation.postgres.clock import database_now

logger = logging.getLogger(__name__)

#: Shortest time between two begins.
EVERY_MIN_S: Final = 10
#: A priority below that of tasks for which somebody waits.
PRIORITY: Final = 3
#: What an attempt may take beside its own time.
_BETWEEN_S: Final = 30.0


def task_schedule_check(schedule: TaskSchedule) -> None:
    """Raises InvalidInput with every member that cannot be."""
    problems = []
    if bool(schedule.cron) == bool(schedule.every_s):
        problems.append(("cron", "give a cron expression or an interval, not both"))
    elif schedule.cron and len(schedule.cron.split()) != 5:
        problems.append(("cron", "needs five fields"))
    elif schedule.every_s and schedule.every_s < EVERY_MIN_S:
        problems.append(("every_s", f"must be at least {EVERY_MIN_S}"))
    if schedule.timezone not in available_timezones():
        problems.append(("timezone", "is not known"))
    try:
        made = task_type_to_assign(schedule.task_type, None)
        if isinstance(schedule.params, dict):
            made.params_of(schedule.params)
        else:
            problems.append(("params", "must be an object"))
    except (UnknownTaskType, TaskDisabled) as error:
        problems.append(("task_type", error.detail))
    except InvalidInput as error:
        problems.append(("params", error.detail))
    if not problems and schedule.cron:
        problems += _cron_problems(schedule)
    if problems:
        raise InvalidInput.of(*problems)


def _cron_problems(schedule: TaskSchedule) -> list[tuple[str, str]]:
    try:
        # Reads the fields.
        _ = _crontab(schedule).schedule
    except ValueError as error:
        return [("cron", str(error)[:200])]
    return []


@transaction.atomic
def task_schedule_save(*, schedule: TaskSchedule, by: str) -> TaskSchedule:
    """Store it, and tell beat, which heeds it within seconds. Raises InvalidInput."""
    task_schedule_check(schedule)
    schedule.save()
    beat = schedule.periodic_task or PeriodicTask()
    beat.name = f"task schedule {schedule.pk}"
    beat.task = jobs.TASK_SCHEDULE_BEGIN
    beat.args = json.dumps([schedule.pk])
    beat.queue, beat.enabled = jobs.QUEUE_CHORES, schedule.is_enabled
    beat.crontab, beat.interval = None, None
    if schedule.cron:
        beat.crontab = _stored(_crontab(schedule))
    else:
        beat.interval, _ = IntervalSchedule.objects.get_or_create(
            every=schedule.every_s, period=IntervalSchedule.SECONDS
        )
    beat.save()
    if schedule.periodic_task_id != beat.pk:
        schedule.periodic_task = beat
        schedule.save(update_fields=["periodic_task"])
    logger.info("task schedule %s saved by %s", schedule.name, by)
    return schedule


@transaction.atomic
def task_schedule_delete(*, schedule: TaskSchedule, by: str) -> None:
    """Tasks that it began go on."""
    if schedule.periodic_task is not None:
        schedule.periodic_task.delete()
    logger.info("task schedule %s deleted by %s", schedule.name, by)
    schedule.delete()


def task_schedule_begin(*, schedule_id: int, asked_by: str = "") -> UUID | None:
    """Begin the task, unless the one before is still open or this moment has had its task.

    asked_by: an operator who wants it now. Returns the task, None when there is none. Raises
    QueueUnavailable; the moment counts all the same.
    """
    with transaction.atomic():
        schedule = TaskSchedule.objects.select_for_update().filter(pk=schedule_id).first()
        if schedule is None or not (schedule.is_enabled or asked_by):
            return None
        if (why := _reason_not_to(schedule, is_asked=bool(asked_by))) is not None:
            logger.info("task schedule %s: nothing begun, %s", schedule.name, why)
            return None
        try:
            new = _new_run(schedule)
        except TaskMaprError as error:
            logger.warning("task schedule %s: %s", schedule.name, error.detail)
            return None
        schedule.last_begun_at = database_now()
        schedule.save(update_fields=["last_begun_at"])
    try:
        run_start(new)
    except QuotaExceeded as error:
        logger.warning("task schedule %s: %s", schedule.name, error.detail)
        return None
    TaskSchedule.objects.filter(pk=schedule_id).update(last_run_id=new.run_id)
    return new.run_id


def _reason_not_to(schedule: TaskSchedule, *, is_asked: bool) -> str | None:
    last = schedule.last_run.status if schedule.last_run is not None else None
    if last is not None and last not in FINAL_STATUSES:
        return "the task before is still open"
    if is_asked or schedule.last_begun_at is None:
        return None
    # A second beat, or a job that is delivered again, tells of the same moment.
    apart = timedelta(seconds=(schedule.every_s or 60) / 2)
    is_same = database_now() - schedule.last_begun_at < apart
    return "this moment has had its task" if is_same else None


def _new_run(schedule: TaskSchedule) -> NewRun:
    made = task_type_to_assign(schedule.task_type, None)
    settings = {
        "timeout_s": made.timeout_s,
        "max_retries": made.max_retries,
        "version": made.version,
        "definition": made.definition,
    }
    return NewRun(
        run_id=uuid7(),
        kind=TASK.name,
        owner_id=schedule.owner_id,
        session_id=None,
        input={
            "params": made.params_of(schedule.params),
            "settings": settings,
            "schedule": schedule.name,
        },
        subject=made.name,
        credential=f"user:{schedule.owner_id}",
        queue=made.queue,
        priority=PRIORITY,
        max_attempts=made.max_retries + 1,
        timeout_s=(made.timeout_s + _BETWEEN_S) * (made.max_retries + 1),
    )


def _crontab(schedule: TaskSchedule) -> CrontabSchedule:
    minute, hour, day, month, weekday = schedule.cron.split()
    return CrontabSchedule(
        minute=minute,
        hour=hour,
        day_of_month=day,
        month_of_year=month,
        day_of_week=weekday,
        timezone=ZoneInfo(schedule.timezone),
    )


def _stored(wanted: CrontabSchedule) -> CrontabSchedule:
    names = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week", "timezone")
    found, _ = CrontabSchedule.objects.get_or_create(**{n: getattr(wanted, n) for n in names})
    return found
