from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from orchestration.models import Run, TaskSchedule
from orchestration.services.task_schedules import (
    task_schedule_begin,
    task_schedule_delete,
    task_schedule_save,
)
from taskmapr.celery import app
from taskmapr.core.errors import InvalidInput, QueueUnavailable
from taskmapr.users.models import User
from tests.fakes import RecordingQueue
from tests.orchestration.admin.conftest import staff_in

pytestmark = [pytest.mark.django_db, pytest.mark.req("TQ-45")]


def nightly(owner: User, **changes: Any) -> TaskSchedule:
    given = {"name": "nightly", "task_type": "test_task", "params": {"steps": 1}, "every_s": 60}
    return TaskSchedule(**{**given, "owner": owner, **changes})


@pytest.fixture
def schedule(ada: User) -> TaskSchedule:
    return task_schedule_save(schedule=nightly(ada), by="root")


def end(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(status="succeeded", finished_at=datetime.now(UTC))


def earlier(schedule: TaskSchedule, seconds: float) -> None:
    moment = datetime.now(UTC) - timedelta(seconds=seconds)
    TaskSchedule.objects.filter(pk=schedule.pk).update(last_begun_at=moment)


def test_its_task_is_a_run_of_its_owner(
    schedule: TaskSchedule, ada: User, queue: RecordingQueue
) -> None:
    run_id = task_schedule_begin(schedule_id=schedule.pk)

    run = Run.objects.get(pk=run_id)
    assert (run.kind, run.subject, run.owner) == ("task", "test_task", ada)
    assert run.input["params"] == {"steps": 1}
    assert queue.run_ids == [run_id]


def test_beat_is_told_by_a_row_and_forgets_with_it(schedule: TaskSchedule) -> None:
    beat = PeriodicTask.objects.get(args=f"[{schedule.pk}]")
    assert (beat.interval.every, beat.interval.period) == (60, "seconds")

    schedule.cron, schedule.every_s, schedule.timezone = "30 2 * * 1-5", None, "Europe/Berlin"
    task_schedule_save(schedule=schedule, by="root")

    beat.refresh_from_db()
    assert beat.interval is None
    assert (beat.crontab.minute, beat.crontab.hour) == ("30", "2")
    assert str(beat.crontab.timezone) == "Europe/Berlin"
    task_schedule_delete(schedule=schedule, by="root")
    assert not PeriodicTask.objects.filter(pk=beat.pk).exists()


def test_a_missed_moment_is_due_once(schedule: TaskSchedule) -> None:
    """However many moments were missed: afterwards the next one is a whole interval away."""
    PeriodicTask.objects.update(last_run_at=datetime.now(UTC) - timedelta(hours=3))
    entry = ModelEntry(PeriodicTask.objects.get(args=f"[{schedule.pk}]"), app=app)

    assert entry.is_due().is_due
    assert not next(entry).is_due().is_due


def test_two_beats_begin_one_task(schedule: TaskSchedule) -> None:
    first = Run.objects.get(pk=task_schedule_begin(schedule_id=schedule.pk))
    end(first)

    assert task_schedule_begin(schedule_id=schedule.pk) is None
    earlier(schedule, 55)
    assert task_schedule_begin(schedule_id=schedule.pk) is not None


def test_an_open_task_is_not_joined_by_another(schedule: TaskSchedule) -> None:
    first = Run.objects.get(pk=task_schedule_begin(schedule_id=schedule.pk))
    earlier(schedule, 3600)

    assert task_schedule_begin(schedule_id=schedule.pk) is None
    assert task_schedule_begin(schedule_id=schedule.pk, asked_by="root") is None
    end(first)
    assert task_schedule_begin(schedule_id=schedule.pk) is not None


def test_one_that_is_switched_off_begins_nothing(schedule: TaskSchedule) -> None:
    TaskSchedule.objects.update(is_enabled=False)

    assert task_schedule_begin(schedule_id=schedule.pk) is None
    assert task_schedule_begin(schedule_id=schedule.pk, asked_by="root") is not None


def test_without_a_queue_no_task_is_left_open(
    schedule: TaskSchedule, queue: RecordingQueue
) -> None:
    queue.is_down = True

    with pytest.raises(QueueUnavailable):
        task_schedule_begin(schedule_id=schedule.pk)

    assert Run.objects.get().status == "failed"


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"cron": "* * * * *"}, "cron"),
        ({"every_s": None}, "cron"),
        ({"every_s": None, "cron": "61 * * * *"}, "cron"),
        ({"every_s": None, "cron": "* *"}, "cron"),
        ({"every_s": 1}, "every_s"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"task_type": "nope"}, "task_type"),
        ({"params": {"steps": "many"}}, "params"),
        ({"params": [1]}, "params"),
    ],
)
def test_what_cannot_be_is_refused(ada: User, changes: dict[str, Any], member: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        task_schedule_save(schedule=nightly(ada, **changes), by="root")

    assert [field["path"] for field in refused.value.details["fields"]] == [member]
    assert not PeriodicTask.objects.filter(name__startswith="task schedule").exists()


def test_operators_write_one_and_run_it_now(client: Client, ada: User) -> None:
    staff_in(client, *(f"{verb}_taskschedule" for verb in ("view", "add", "change")), "view_user")
    address = reverse("admin:orchestration_taskschedule_add")
    given = {"name": "hourly", "task_type": "test_task", "params": "{}", "owner": str(ada.pk)}
    given |= {"cron": "0 * * * *", "timezone": "UTC", "is_enabled": "on"}
    assert client.post(address, given).status_code == 302

    schedule = TaskSchedule.objects.get(name="hourly")
    asked = {"action": "run_now", "_selected_action": schedule.pk, "confirmed": "yes"}
    client.post(reverse("admin:orchestration_taskschedule_changelist"), asked)

    schedule.refresh_from_db()
    assert schedule.last_run is not None
    assert schedule.last_run.subject == "test_task"
