"""Sequences at their doorway: assigned, followed and cancelled like every other type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from orchestration.models import Run, TaskDefinition
from orchestration.selectors.task_types import catalogues
from orchestration.services.sequence_steps import sequence_steps_settle
from orchestration.services.task_types import task_definition_save
from taskmapr.users.models import User
from tests.orchestration.api.conftest import Call

Carried = Callable[[str], Run]

pytestmark = [pytest.mark.django_db, pytest.mark.req("TQ-12")]

SCHEMA = {"type": "object", "required": ["town"], "properties": {"town": {"type": "string"}}}


@pytest.fixture(autouse=True)
def chain() -> TaskDefinition:
    quick = {"duration_s": 0, "steps": 1}
    steps = [
        {"name": "first", "type": "test_task", "params": {**quick, "town": "{{ params.town }}"}},
        {
            "name": "second",
            "type": "test_task",
            "params": {**quick, "told": "{{ steps.first.output.echo.town }}!"},
        },
    ]
    made = TaskDefinition(
        name="chain", kind="sequence", content={"steps": steps}, params_schema=SCHEMA
    )
    catalogues.forget()
    task_definition_save(definition=made, by="root")
    catalogues.forget()
    return made


@pytest.fixture
def begun(call: Call, carried: Carried) -> str:
    """A sequence of Ada's that waits for its first step."""
    body = {"task_type": "chain", "params": {"town": "Ulm"}}
    answer = call("POST", "/assign-task/", body)
    assert answer.status == 200, answer.body
    assert carried(answer.json["task_id"]).status == "paused"
    return str(answer.json["task_id"])


def step_carried(call: Call, carried: Carried, task_id: str) -> str:
    step = call("GET", f"/result/{task_id}").json["details"]["steps"][-1]["task_id"]
    carried(step)
    sequence_steps_settle([UUID(step)])
    carried(task_id)
    return str(step)


def test_it_is_listed_and_its_parameters_are_checked(call: Call) -> None:
    (told,) = (t for t in call("GET", "/tasks/").json["tasks"] if t["name"] == "chain")
    refused = call("POST", "/assign-task/", {"task_type": "chain", "params": {}})

    assert (told["source"], told["params_schema"]) == ("admin", SCHEMA)
    assert (refused.status, refused.json["code"]) == (422, "validation_error")
    assert not Run.objects.exists()


def test_its_steps_are_tasks_of_the_same_owner(call: Call, carried: Carried, begun: str) -> None:
    under_way = call("GET", f"/result/{begun}").json
    assert (under_way["status"], under_way["ready"]) == ("running", False)

    ids = [step_carried(call, carried, begun) for _ in range(2)]

    told = call("GET", f"/result/{begun}").json
    assert (told["status"], told["attempts"]) == ("completed", 1)
    assert [step["task_id"] for step in told["result"]["steps"]] == ids
    assert told["result"]["steps"][1]["output"]["echo"]["told"] == "Ulm!"
    listed = call("GET", "/tasks/runs/").json["items"]
    assert [item["task_id"] for item in listed] == [ids[1], ids[0], begun]
    assert listed[0]["details"]["step_of"]["task_id"] == begun
    assert listed[2]["details"] == told["details"]


def test_others_see_neither_it_nor_its_steps(
    call: Call, begun: str, cyd: User, key_of: Callable[..., dict[str, str]]
) -> None:
    step = call("GET", f"/result/{begun}").json["details"]["steps"][0]["task_id"]
    key = key_of(cyd)

    for task_id in (begun, step):
        assert call("GET", f"/result/{task_id}", user=None, **key).status == 404
        assert call("POST", f"/tasks/{task_id}/cancel", user=None, **key).status == 404


def test_nobody_confirms_a_step(call: Call, begun: str) -> None:
    assert call("POST", f"/tasks/{begun}/confirm").json["code"] == "already_resolved"


@pytest.mark.req("TQ-17")
def test_cancelling_it_cancels_its_step(call: Call, begun: str) -> None:
    step = call("GET", f"/result/{begun}").json["details"]["steps"][0]["task_id"]

    assert call("POST", f"/tasks/{begun}/cancel").status == 202

    words = [call("GET", f"/result/{task_id}").json["status"] for task_id in (begun, step)]
    assert words == ["cancelled", "cancelled"]
    assert call("POST", f"/tasks/{begun}/cancel").json["code"] == "already_finished"


@pytest.mark.req("TQ-44")
def test_assigned_again_it_begins_with_its_first_step(
    call: Call, carried: Carried, begun: str
) -> None:
    step_carried(call, carried, begun)
    call("POST", f"/tasks/{begun}/cancel")

    again = call("POST", f"/tasks/{begun}/retry").json

    assert carried(again["task_id"]).status == "paused"
    told: dict[str, Any] = call("GET", f"/result/{again['task_id']}").json
    assert [step["name"] for step in told["details"]["steps"]] == ["first"]


@pytest.mark.req("TQ-02")
def test_a_key_for_it_need_not_be_for_its_steps(
    call: Call, carried: Carried, ada: User, key_of: Callable[..., dict[str, str]]
) -> None:
    """An operator put them together; but it needs the scopes of all of them."""
    key = key_of(ada, task_types=("chain",))

    answer = call(
        "POST", "/assign-task/", {"task_type": "chain", "params": {"town": "A"}}, user=None, **key
    )

    assert answer.status == 200, answer.body
    assert carried(answer.json["task_id"]).status == "paused"
    step = Run.objects.get(subject="test_task")
    assert step.credential == Run.objects.get(pk=answer.json["task_id"]).credential
    direct = call("POST", "/assign-task/", {"task_type": "test_task"}, user=None, **key)
    assert direct.json["code"] == "unknown_task_type"
