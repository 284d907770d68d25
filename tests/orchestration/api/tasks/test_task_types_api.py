from __future__ import annotations

from collections.abc import Callable

import pytest

from taskmapr.core.task_types import TaskType
from taskmapr.users.models import User
from tests.contracts.schemas import validator
from tests.orchestration.api.conftest import Call

KeyOf = Callable[..., dict[str, str]]

pytestmark = pytest.mark.django_db


@pytest.mark.req("TQ-09")
def test_lists_what_can_be_assigned(call: Call) -> None:
    body = call("GET", "/tasks/").json

    told = {task["name"]: task for task in body["tasks"]}
    assert body["count"] == len(told)
    assert told["test_task"]["task_type"] == "test_task"
    assert told["test_task"]["example"] == {"test": True}
    assert list(told) == sorted(told)
    for task in told.values():
        validator("TaskType", strict=True).validate(task)


@pytest.mark.req("TQ-09", "TQ-02")
def test_a_key_sees_its_own_types(
    call: Call, ada: User, key_of: KeyOf, of_type: Callable[..., TaskType]
) -> None:
    of_type(lambda params, ctx: None, name="report_day")

    def names(**bounds: tuple[str, ...]) -> list[str]:
        body = call("GET", "/tasks", user=None, **key_of(ada, **bounds)).json
        return [task["name"] for task in body["tasks"]]

    assert names(task_types=("report_*",)) == ["report_day"]
    assert "test_task" in names()


@pytest.mark.req("TQ-02")
def test_a_key_assigns_its_own_types_only(call: Call, ada: User, key_of: KeyOf) -> None:
    key = key_of(ada, task_types=("report_*",))

    answer = call("POST", "/assign-task", {"task_type": "test_task"}, user=None, **key)

    assert (answer.status, answer.json["code"]) == (404, "unknown_task_type")
    assert "test_task" not in answer.json["details"]["available"]
