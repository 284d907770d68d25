"""Sequences in the admin: the rows of their steps, and the pages of their tasks."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from orchestration.models import Run, SequenceStep, TaskDefinition
from orchestration.selectors.task_types import catalogues, task_type_named
from orchestration.services.sequence_steps import sequence_steps_settle
from orchestration.services.task_assign import Order, Ordering, task_assign
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from tests.orchestration.admin.conftest import staff_in
from tests.orchestration.engines.driving import run_carry

LIST = "/admin/orchestration/taskdefinition/"
GIVEN = {
    "name": "chain",
    "kind": "sequence",
    "is_enabled": "on",
    "content": "{}",
    "params_schema": "{}",
    "example": "{}",
    "danger": "read",
    "timeout_s": "60",
    "max_retries": "1",
    "concurrency": "0",
}
STEPS = [
    {
        "name": "first",
        "type": "test_task",
        "params": {"duration_s": 0, "steps": 1, "town": "{{ params.town }}"},
        "on_error": "continue",
    },
    {
        "name": "second",
        "type": "test_task",
        "params": {"duration_s": 0, "steps": 1, "text": "a\nb", "number": "5"},
        "on_error": "stop",
    },
]


@pytest.fixture
def client(db: None, client: Client) -> Client:
    catalogues.forget()
    names = ("view", "add", "change", "delete")
    return staff_in(client, *(f"{name}_taskdefinition" for name in names))


def row(number: int, **members: str) -> dict[str, str]:
    return {f"steps-{number}-{member}": value for member, value in members.items()}


ROWS = {
    **row(
        0,
        order="2",
        name="second",
        type="test_task",
        params='duration_s = 0\nsteps=1\n\ntext = "a\\nb"\nnumber = "5"',
    ),
    **row(
        3,
        order="1",
        name="first",
        type="test_task",
        params="duration_s = 0\r\nsteps = 1\r\ntown = {{ params.town }}",
        goes_on="on",
    ),
}


def sequence(*steps: Any) -> TaskDefinition:
    content = {"steps": list(steps) or STEPS}
    made = TaskDefinition.objects.create(name="chain", kind="sequence", content=content)
    catalogues.forget()
    return made


@pytest.mark.req("TQ-12")
def test_steps_are_written_down_row_by_row_in_the_order_of_their_numbers(client: Client) -> None:
    answer = client.post(f"{LIST}add/", {**GIVEN, **ROWS})

    assert answer.status_code == 302
    assert TaskDefinition.objects.get(name="chain").content == {"steps": STEPS}
    catalogues.forget()
    assert [plan.name for plan in task_type_named("chain").steps] == ["first", "second"]


@pytest.mark.req("TQ-12")
def test_what_the_page_shows_can_be_sent_back_unchanged(client: Client) -> None:
    made = sequence()
    page = client.get(f"{LIST}{made.pk}/change/")
    (field,) = (f for f in page.context["adminform"].form if f.name == "steps")
    assert 'name="content"' not in page.content.decode()

    rows = {}
    for number, shown in enumerate(field.value()):
        rows |= row(number, **shown)
    assert client.post(f"{LIST}{made.pk}/change/", {**GIVEN, **rows}).status_code == 302

    made.refresh_from_db()
    assert (made.content, made.version) == ({"steps": STEPS}, 2)


@pytest.mark.req("TQ-12")
@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({}, "at least one is needed"),
        (row(0, name="a"), "steps.1.type: is needed"),
        (row(0, name="a", type="test_task", params="no value"), "is no name = value"),
        (row(0, name="a", type="test_task", order="x"), "a number from 1 to 999"),
        (row(0, name="a", type="none"), "there is no type"),
        (
            row(0, name="a", type="test_task", params="x = {{ steps.b.output }}"),
            "steps.1.params.x: steps.b: is no earlier step",
        ),
    ],
)
def test_what_makes_no_sequence_is_said_beside_its_rows(
    client: Client, rows: dict[str, str], told: str
) -> None:
    made = sequence()
    before = made.content

    for address in (f"{LIST}{made.pk}/change/", f"{LIST}add/"):
        answer = client.post(address, {**GIVEN, "name": "other", **rows})

        assert answer.status_code == 200
        errors = answer.context["adminform"].form.errors
        assert told in str(errors["steps"].as_data())
        for name, value in rows.items():
            # What was typed is still there.
            assert name.endswith("-order") or value in answer.content.decode()

    made.refresh_from_db()
    assert made.content == before
    assert not TaskDefinition.objects.filter(name="other").exists()


def test_other_kinds_have_no_rows(client: Client) -> None:
    content = {"type": "test_task"}
    made = TaskDefinition.objects.create(name="quick", kind="alias", content=content)

    page = client.get(f"{LIST}{made.pk}/change/").content.decode()
    answer = client.post(f"{LIST}{made.pk}/change/", {**GIVEN, "content": '{"type": "test_task"}'})

    assert "steps-0-name" not in page
    assert answer.status_code == 302
    made.refresh_from_db()
    assert made.content == content


def test_who_may_only_look_sees_the_steps(db: None) -> None:
    made = sequence()
    looking = staff_in(Client(), "view_taskdefinition")

    page = looking.get(f"{LIST}{made.pk}/change/").content.decode()

    assert "first: test_task, second: test_task" in page
    assert "<textarea" not in page


@pytest.mark.req("TQ-12", "TQ-41")
def test_the_page_of_a_task_shows_its_steps_and_theirs_lead_back(
    admin_client: Client, ada: User
) -> None:
    broken = {"name": "third", "type": "test_task", "params": {"x": "{{ params.none }}"}}
    sequence(*STEPS, broken, {**STEPS[1], "name": "fourth"})
    run_id = uuid7()
    by = Ordering(owner_id=ada.pk, credential=None)
    task_assign(run_id=run_id, order=Order(task_type="chain", params={"town": "Ulm"}), by=by)
    for _ in range(2):
        async_to_sync(run_carry)(run_id)
        last = SequenceStep.objects.filter(sequence_id=run_id).last()
        assert last is not None
        assert last.run_id is not None
        async_to_sync(run_carry)(last.run_id)
        sequence_steps_settle([last.run_id])
    async_to_sync(run_carry)(run_id)

    def page(run: Any) -> str:
        return admin_client.get(f"/admin/orchestration/run/{run}/change/").content.decode()

    body = page(run_id)
    rows = body.partition('id="steps-title"')[2].partition("</section>")[0].split("<tr>")[2:]
    assert [("not begun" in r, "validation_error" in r) for r in rows] == [
        (False, False),
        (False, False),
        (False, True),
        (True, False),
    ]
    step = Run.objects.get(step_of__sequence_id=run_id, step_of__position=2)
    assert f'href="/admin/orchestration/run/{step.pk}/change/"' in rows[1]
    assert "succeeded" in rows[1]
    assert "Waits for a person" not in body
    assert "waits for a task of type test_task" in body
    assert "<dt>Attempt</dt><dd>1 of 4</dd>" in body
    assert f'Step of</dt><dd><a class="tm-link" href="/admin/orchestration/run/{run_id}/' in page(
        step.pk
    )
