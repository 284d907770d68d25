from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestration.models import Run
from taskmapr.users.models import User
from tests.contracts.schemas import validator
from tests.orchestration.api.conftest import Call

Assign = Callable[..., str]
Carried = Callable[[str], Run]
PATH = "/tasks/runs/"

pytestmark = pytest.mark.django_db


@pytest.mark.req("TQ-43", "TQ-42", "TQ-03")
def test_lists_own_tasks_newest_first(
    call: Call, assign: Assign, carried: Carried, cyd: User
) -> None:
    ids = [assign() for _ in range(3)]
    carried(ids[0])

    answer = call("GET", PATH).json

    assert [item["task_id"] for item in answer["items"]] == ids[::-1]
    assert (answer["count"], answer["next_cursor"]) == (3, None)
    whole = call("GET", f"/result/{ids[0]}?logs=0").json
    ours = {k: v for k, v in whole.items() if k not in {"logs", "logs_truncated", "timestamp"}}
    listed = answer["items"][2]
    assert {k: v for k, v in listed.items() if k != "timestamp"} == ours
    for item in answer["items"]:
        validator("TaskListed", strict=True).validate(item)
    assert call("GET", PATH, user=cyd).json["items"] == []


@pytest.mark.req("TQ-43")
def test_pages_meet_without_gap_or_overlap(call: Call, assign: Assign) -> None:
    ids = [assign() for _ in range(5)]
    seen, cursor = [], ""
    for _ in range(3):
        page = call("GET", f"{PATH}?limit=2&cursor={cursor}").json
        seen += [item["task_id"] for item in page["items"]]
        cursor = page["next_cursor"]

    assert seen == ids[::-1]
    assert cursor is None


@pytest.mark.req("TQ-43")
def test_filters_by_status_and_type(call: Call, assign: Assign, carried: Carried) -> None:
    done, waiting = assign(), assign()
    carried(done)

    def ids(query: str) -> list[str]:
        return [item["task_id"] for item in call("GET", f"{PATH}?{query}").json["items"]]

    assert ids("status=completed") == [done]
    assert ids("status=assigned") == [waiting]
    assert ids("status=running") == []
    assert ids("task_type=test_task") == [waiting, done]
    assert ids("task_type=other") == []


@pytest.mark.req("TQ-43")
@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("status=succeeded", "status"),
        ("cursor=%00", "cursor"),
        ("cursor=abc", "cursor"),
    ],
)
def test_odd_wishes_are_told_by_their_name(call: Call, query: str, path: str) -> None:
    answer = call("GET", f"{PATH}?{query}")

    assert (answer.status, answer.json["details"]["fields"][0]["path"]) == (422, path)


@pytest.mark.req("TQ-43")
@pytest.mark.django_db(transaction=True)
def test_a_type_that_no_store_can_name_is_refused(call: Call) -> None:
    answer = call("GET", f"{PATH}?task_type=%00")

    assert (answer.status, answer.json["code"]) == (422, "validation_error")


@pytest.mark.req("TQ-43")
def test_costs_the_same_for_one_and_for_many(call: Call, assign: Assign) -> None:
    assign()
    call("GET", PATH)
    counts = []
    for more in (0, 5):
        for _ in range(more):
            assign()
        with CaptureQueriesContext(connection) as asked:
            call("GET", PATH)
        counts.append(len(asked))

    assert counts[0] == counts[1] <= 5
