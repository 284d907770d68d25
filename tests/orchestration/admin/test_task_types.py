from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from orchestration.models import TaskDefinition
from orchestration.selectors.task_types import catalogues, task_type_named
from tests.orchestration.admin.conftest import staff_in

LIST = "/admin/orchestration/taskdefinition/"
GIVEN = {
    "name": "quick",
    "kind": "alias",
    "is_enabled": "on",
    "content": json.dumps({"type": "test_task", "params": {"steps": 1}}),
    "params_schema": "{}",
    "example": "{}",
    "danger": "read",
    "timeout_s": "60",
    "max_retries": "1",
    "concurrency": "0",
}


@pytest.fixture
def client(db: None, client: Client) -> Client:
    catalogues.forget()
    names = ("view", "add", "change", "delete")
    return staff_in(client, *(f"{name}_taskdefinition" for name in names))


@pytest.mark.req("TQ-12")
def test_a_type_is_written_down_and_there(client: Client) -> None:
    answer = client.post(f"{LIST}add/", GIVEN)

    assert answer.status_code == 302
    catalogues.forget()
    assert task_type_named("quick").definition is not None


def test_what_makes_no_type_is_said_beside_the_field(client: Client) -> None:
    answer = client.post(f"{LIST}add/", {**GIVEN, "content": json.dumps({"type": "none"})})

    assert answer.status_code == 200
    assert "there is no type" in answer.content.decode()
    assert not TaskDefinition.objects.filter(name="quick").exists()


@pytest.mark.req("TQ-12")
@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("content", "[]", "must be an object"),
        ("params_schema", "5", "must be an object"),
        ("params_schema", '{"type": "text"}', "must describe an object"),
        ("example", "[]", "must be an object"),
        ("content", '{"type": "test_task", "params": 5}', "params: must be an object"),
        (
            "content",
            '{"type": "test_task", "params": {"steps": "x"}}',
            "params.steps: ",
        ),
        ("timeout_s", "1e99", "at most 86400"),
    ],
)
def test_what_no_task_could_use_is_refused_beside_its_field(
    client: Client, name: str, value: str, told: str
) -> None:
    answer = client.post(f"{LIST}add/", {**GIVEN, name: value})

    assert answer.status_code == 200
    assert told in answer.content.decode()
    assert name in answer.context["adminform"].form.errors


@pytest.mark.req("TQ-12")
def test_a_change_is_the_next_version(client: Client) -> None:
    client.post(f"{LIST}add/", GIVEN)
    row = TaskDefinition.objects.get(name="quick")

    client.post(f"{LIST}{row.pk}/change/", {**GIVEN, "timeout_s": "30"})

    row.refresh_from_db()
    assert (row.version, row.timeout_s) == (2, 30)


@pytest.mark.req("TQ-13")
def test_the_list_has_all_types_and_says_what_is_broken(
    client: Client, tmp_path: Path, settings: Any
) -> None:
    (tmp_path / "broken.py").write_text("def (")
    settings.TASKMAPR = {**settings.TASKMAPR, "tasks_dir": tmp_path}
    catalogues.forget()

    page = client.get(LIST).content.decode()

    assert "test_task" in page
    assert "broken.py" in page
    settings.TASKMAPR = {**settings.TASKMAPR, "tasks_dir": None}
    catalogues.forget()


def test_a_type_of_the_code_can_only_be_limited(client: Client) -> None:
    client.get(LIST)
    row = TaskDefinition.objects.get(name="test_task")

    client.post(f"{LIST}{row.pk}/change/", {"concurrency": "2", "timeout_s": "1"})

    row.refresh_from_db()
    assert (row.is_enabled, row.concurrency, row.timeout_s) == (False, 2, 300)
    assert client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_reloading_tells_how_many_there_are(client: Client) -> None:
    answer = client.get(reverse("admin:orchestration_taskdefinition_reload"), follow=True)

    assert "types of tasks are there" in answer.content.decode()
