"""/admin/django_celery_beat/periodictask/: what beat does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks
from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db

LIST = "/admin/django_celery_beat/periodictask/"


def chore(name: str = "users.tokens_prune", **changes: Any) -> PeriodicTask:
    hourly, _ = IntervalSchedule.objects.get_or_create(every=3600, period="seconds")
    return PeriodicTask.objects.create(name=name, task=name, interval=hourly, **changes)


@pytest.mark.parametrize(
    ("age", "words"),
    [(timedelta(minutes=10), "on time"), (timedelta(hours=9), "late"), (None, "not run yet")],
)
def test_says_when_it_ran_and_whether_it_is_late(
    admin_client: Client, age: timedelta | None, words: str
) -> None:
    ran_at = None if age is None else datetime.now(UTC) - age
    chore(last_run_at=ran_at)

    body = admin_client.get(LIST).content.decode()

    assert words in body
    assert "tokens prune" in body
    if ran_at is not None:
        assert ran_at.strftime("%Y-%m-%d %H:%M:%S") in body
        assert (ran_at + timedelta(hours=1)).strftime("%Y-%m-%d %H:%M") in body


def test_stopping_asks_first_tells_beat_and_is_audited(admin_client: Client) -> None:
    task = chore()
    before = PeriodicTasks.last_change()
    chosen = {"action": "stop", "_selected_action": str(task.pk)}

    question = admin_client.post(LIST, chosen).content.decode()
    task.refresh_from_db()
    assert "Its work is left undone" in question
    assert task.enabled

    admin_client.post(LIST, {**chosen, "confirmed": "yes"})
    task.refresh_from_db()
    assert not task.enabled
    assert PeriodicTasks.last_change() != before
    assert LogEntry.objects.get().change_message == "stopped"

    body = admin_client.post(LIST, {**chosen, "confirmed": "yes"}, follow=True).content.decode()
    assert "It is stopped already." in body


def test_cannot_be_added_or_changed_by_hand(admin_client: Client) -> None:
    task = chore()

    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{task.pk}/change/", {"task": "x"}).status_code == 403
    task.refresh_from_db()
    assert task.task == "users.tokens_prune"


def test_shows_fifty_chores_with_at_most_twelve_queries(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(50):
        chore(f"chore.{number}", last_run_at=datetime.now(UTC))

    with django_assert_max_num_queries(12):
        admin_client.get(LIST)
