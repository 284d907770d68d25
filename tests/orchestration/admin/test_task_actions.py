"""What operators do with tasks in the list of runs."""

from __future__ import annotations

import csv
import io

import pytest
from django.test import Client

from orchestration.models import Run
from orchestration.services.run_end import run_cancel
from taskmapr.users.models import User
from tests.orchestration.conftest import StartRun

LIST = "/admin/orchestration/run/"

pytestmark = [pytest.mark.django_db, pytest.mark.req("TQ-41")]


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.org", "a long password"))
    return client


@pytest.fixture
def task(start: StartRun) -> Run:
    given = {"params": {"test": True}, "settings": {}}
    task = start(kind="task", session_id=None, subject="test_task", prompt="", input=given)
    run_cancel(run_id=task.pk, by="ada")
    return Run.objects.get(pk=task.pk)


def _act(operator: Client, action: str, *runs: Run, **more: str) -> bytes:
    chosen = [str(run.pk) for run in runs]
    answer = operator.post(LIST, {"action": action, "_selected_action": chosen, **more})
    return answer.content


def test_a_task_is_assigned_again_for_its_owner(
    operator: Client, task: Run, start: StartRun, ada: User
) -> None:
    chat = start()

    _act(operator, "retry_tasks", task, chat, confirmed="yes")

    again = Run.objects.exclude(pk__in=[task.pk, chat.pk]).get()
    assert (again.kind, again.owner_id, again.status) == ("task", ada.pk, "queued")
    assert again.input["retry_of"] == str(task.pk)


def test_tasks_are_taken_away_as_a_table(operator: Client, task: Run, start: StartRun) -> None:
    table = _act(operator, "export_tasks", task, start()).decode()

    (row,) = csv.DictReader(io.StringIO(table))
    assert (row["task_id"], row["task_type"]) == (str(task.pk), "test_task")
    assert (row["status"], row["error"], row["owner"]) == (
        "cancelled",
        "cancelled",
        "ada@example.org",
    )
