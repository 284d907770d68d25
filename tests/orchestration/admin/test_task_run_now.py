"""/admin/orchestration/taskdefinition/<id>/run/: having a task of a type done at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from orchestration.models import Run, TaskDefinition
from orchestration.selectors.task_types import catalogues
from orchestration.services.task_types import task_definition_save, task_definitions_note
from tests.orchestration.admin.conftest import staff_in

LIST = "/admin/orchestration/taskdefinition/"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"steps": {"type": "integer", "minimum": 1}, "fail": {"type": "string"}},
    "additionalProperties": False,
}

pytestmark = [pytest.mark.django_db, pytest.mark.req("TQ-12")]


@pytest.fixture
def definition(db: None) -> TaskDefinition:
    catalogues.forget()
    made = TaskDefinition(
        name="quick",
        kind="alias",
        content={"type": "test_task", "params": {}},
        params_schema=SCHEMA,
        example={"steps": 7},
        is_enabled=True,
        danger="write",
        timeout_s=60,
        max_retries=1,
    )
    task_definition_save(definition=made, by="root")
    catalogues.forget()
    return made


def _page(definition: TaskDefinition) -> str:
    return f"{LIST}{definition.pk}/run/"


def test_the_form_is_made_of_the_schema_with_its_example(
    admin_client: Client, definition: TaskDefinition
) -> None:
    body = admin_client.get(_page(definition)).content.decode()

    assert 'name="arg-steps" value="7"' in body
    assert 'name="arg-fail"' in body
    assert "It changes things outside" in body


def test_it_makes_a_task_of_the_operators_and_leads_to_its_page(
    admin_client: Client, admin_user: Any, definition: TaskDefinition
) -> None:
    answer = admin_client.post(_page(definition), {"arg-steps": "2"})

    run = Run.objects.get()
    assert answer["Location"] == f"/admin/orchestration/run/{run.pk}/change/"
    assert (run.kind, run.subject, run.owner_id) == ("task", "quick", admin_user.pk)
    assert run.input["params"]["steps"] == 2
    assert str(run.pk) in LogEntry.objects.get().change_message


def test_parameters_that_do_not_fit_are_told_beside_their_field(
    admin_client: Client, definition: TaskDefinition
) -> None:
    answer = admin_client.post(_page(definition), {"arg-steps": "0"})

    assert "less than the minimum" in answer.content.decode()
    assert not Run.objects.exists()


def test_a_type_without_named_parameters_takes_them_as_json(admin_client: Client) -> None:
    catalogues.forget()
    made = TaskDefinition(
        name="loose",
        kind="alias",
        content={"type": "test_task", "params": {}},
        params_schema={"type": "object"},
        is_enabled=True,
        timeout_s=60,
    )
    task_definition_save(definition=made, by="root")
    catalogues.forget()

    assert admin_client.post(_page(made), {"arg-arguments": "[1]"}).status_code == 200
    assert not Run.objects.exists()
    admin_client.post(_page(made), {"arg-arguments": '{"steps": 1}'})

    assert Run.objects.get().input["params"]["steps"] == 1


def test_a_type_that_is_switched_off_says_so(
    admin_client: Client, definition: TaskDefinition
) -> None:
    definition.is_enabled = False
    task_definition_save(definition=definition, by="root")
    catalogues.forget()

    assert "switched off" in admin_client.get(_page(definition)).content.decode()
    admin_client.post(_page(definition), {"arg-steps": "2"})

    assert not Run.objects.exists()


def test_changing_types_is_not_running_them(client: Client, definition: TaskDefinition) -> None:
    editor = staff_in(client, "view_taskdefinition", "change_taskdefinition")

    assert "Run now" not in editor.get(f"{LIST}{definition.pk}/change/").content.decode()
    assert editor.post(_page(definition), {"arg-steps": "2"}).status_code == 403
    assert not Run.objects.exists()


def test_pages_of_types_lead_to_it(admin_client: Client) -> None:
    task_definitions_note()
    row = TaskDefinition.objects.get(name="test_task")

    assert "Run now" in admin_client.get(f"{LIST}{row.pk}/change/").content.decode()
    assert "Run now" in admin_client.get(LIST).content.decode()
    way = reverse("admin:orchestration_taskdefinition_to_run_now", args=[row.pk])
    assert admin_client.get(way)["Location"] == _page(row)
