from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestration.models import Run
from orchestration.services.artifacts import artifacts_expire
from orchestration.services.retention import run_contents_erase
from taskmapr.core.task_types import TaskContext, TaskType
from taskmapr.users.models import User
from tests.contracts.schemas import validator
from tests.orchestration.api.conftest import Call

Assign = Callable[..., str]
Carried = Callable[[str], Run]
MISSING = "01900000-0000-7000-8000-000000000000"

pytestmark = pytest.mark.django_db


@pytest.mark.req("TQ-20", "TQ-S1")
def test_tells_a_task_from_its_order_to_its_end(
    call: Call, assign: Assign, carried: Carried
) -> None:
    task_id = assign({"test": True, "screenshot": True})
    before = call("GET", f"/result/{task_id}").json
    carried(task_id)
    after = call("GET", f"/result/{task_id}").json

    assert list(before) == list(after)
    assert (before["status"], before["state"], before["ready"]) == ("assigned", "PENDING", False)
    assert (after["status"], after["state"], after["ready"]) == ("completed", "SUCCESS", True)
    assert after["result"]["echo"]["test"] is True
    assert len(after["logs"]) == 3
    assert after["progress"] == {"percent": 100, "text": "step 3 of 3"}
    assert all(after[name] for name in ("created_at", "started_at", "completed_at"))
    assert (after["attempts"], after["max_retries"]) == (1, 3)
    assert [shot["name"] for shot in after["screenshots"]] == ["test.png"]
    assert [file["name"] for file in after["downloads"]] == ["task.log"]
    for body in (before, after):
        validator("TaskResult", strict=True).validate(body)


@pytest.mark.req("TQ-20", "TQ-S4", "TQ-03")
def test_unknown_malformed_and_foreign_ids_are_told_the_same(
    call: Call, assign: Assign, cyd: User
) -> None:
    foreign = call("GET", f"/result/{assign()}", user=cyd)
    others = [call("GET", f"/result/{task_id}") for task_id in (MISSING, "abc", "../x")]

    assert [answer.status for answer in (foreign, *others)] == [404] * 4
    own = {"instance", "request_id", "timestamp"}
    bodies = [{k: v for k, v in a.json.items() if k not in own} for a in (foreign, *others[:2])]
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0]["code"] == "task_not_found"


@pytest.mark.req("TQ-20")
def test_runs_of_other_kinds_are_no_tasks(call: Call, start: Any) -> None:
    assert call("GET", f"/result/{start().pk}").json["code"] == "task_not_found"


@pytest.mark.req("TQ-20")
def test_logs_can_be_left_out_or_asked_for_from_a_point_on(
    call: Call, assign: Assign, carried: Carried
) -> None:
    task_id = assign()
    carried(task_id)

    lines = call("GET", f"/result/{task_id}").json["logs"]
    none = call("GET", f"/result/{task_id}?logs=0").json
    newer = call("GET", f"/result/{task_id}?after_seq={lines[0]['seq']}").json

    assert none["logs"] == []
    assert newer["logs"] == lines[1:]
    assert (none["result"], newer["result"]) == (newer["result"], none["result"])
    assert call("GET", f"/result/{task_id}?after_seq=x").status == 422


@pytest.mark.req("TQ-20")
def test_the_last_lines_are_inline_and_all_in_a_file(
    call: Call, assign: Assign, carried: Carried
) -> None:
    task_id = assign({"steps": 600})
    carried(task_id)

    body = call("GET", f"/result/{task_id}").json
    log = next(file for file in body["downloads"] if file["name"] == "task.log")

    assert (len(body["logs"]), body["logs_truncated"]) == (500, True)
    assert body["logs"][-1]["message"] == "step 600 of 600"
    kept = call("GET", log["url"], user=None)
    assert kept.body.count(b"step ") == 600
    assert kept.headers["Cache-Control"] == "private, no-cache"  # it grows while the task goes on


@pytest.mark.req("TQ-23")
def test_a_large_result_is_a_file(
    call: Call, carried: Carried, of_type: Callable[..., TaskType]
) -> None:
    async def large(params: Any, ctx: TaskContext) -> Any:
        return {"rows": "x" * 1_100_000}

    of_type(large)
    task_id = call("POST", "/assign-task", {"task_type": "trial"}).json["task_id"]
    carried(task_id)

    body = call("GET", f"/result/{task_id}").json
    file = next(file for file in body["downloads"] if file["name"] == "result.json")

    assert body["result"] == {"truncated": True}
    assert len(call("GET", file["url"], user=None).json["rows"]) == 1_100_000


@pytest.mark.req("TQ-20")
def test_a_failure_is_told_without_its_stack(
    call: Call, assign: Assign, carried: Carried, of_type: Callable[..., TaskType]
) -> None:
    task_id = assign({"fail": "permanent"})
    carried(task_id)

    body = call("GET", f"/result/{task_id}").json

    assert (body["status"], body["state"], body["attempts"]) == ("failed", "FAILURE", 1)
    assert set(body["error"]) == {"code", "message", "type", "retryable", "attempt"}
    assert "Traceback" not in str(body)


@pytest.mark.req("TQ-22")
def test_what_is_past_its_time_is_told_as_such(
    call: Call, assign: Assign, carried: Carried, settings: Any
) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "files_retention_days": 0}
    task_id = assign({"screenshot": True})
    carried(task_id)
    address = call("GET", f"/result/{task_id}").json["screenshots"][0]["url"]

    assert artifacts_expire() == 1

    body = call("GET", f"/result/{task_id}").json
    assert (body["expired"], body["screenshots"][0]["expired"]) == (True, True)
    assert body["result"]["message"] == "Test task completed"
    assert call("GET", address, user=None).status == 404

    run_contents_erase([Run.objects.get().pk])
    emptied = call("GET", f"/result/{task_id}").json
    assert (emptied["status"], emptied["expired"], emptied["result"]) == ("completed", True, None)
    validator("TaskResult", strict=True).validate(emptied)


@pytest.mark.req("TQ-03")
def test_staff_that_reads_runs_reads_tasks(call: Call, assign: Assign, db: None) -> None:
    root = User.objects.create_superuser("root@example.org", "a long password")
    plain = User.objects.create_user("plain@example.org", "a long password", is_staff=True)
    task_id = assign()

    assert call("GET", f"/result/{task_id}", user=root).status == 200
    assert call("GET", f"/result/{task_id}", user=plain).status == 404


@pytest.mark.req("TQ-03")
def test_a_key_of_an_operator_is_no_operator(
    call: Call, assign: Assign, key_of: Callable[..., dict[str, str]]
) -> None:
    root = User.objects.create_superuser("root@example.org", "a long password")
    task_id = assign()

    assert call("GET", f"/result/{task_id}", user=None, **key_of(root)).status == 404


@pytest.mark.req("TQ-03")
def test_all_keys_of_an_owner_share(
    call: Call, assign: Assign, ada: User, key_of: Callable[..., dict[str, str]]
) -> None:
    task_id = assign()
    for _ in range(2):
        assert call("GET", f"/result/{task_id}", user=None, **key_of(ada)).status == 200


@pytest.mark.req("TQ-20")
def test_costs_few_queries_however_long_the_log(
    call: Call, assign: Assign, carried: Carried
) -> None:
    counts = []
    for steps in (1, 300):
        task_id = assign({"steps": steps, "screenshot": True})
        carried(task_id)
        call("GET", f"/result/{task_id}")  # whatever is remembered, is now
        with CaptureQueriesContext(connection) as asked:
            call("GET", f"/result/{task_id}")
        counts.append(len(asked))

    assert counts[0] == counts[1] <= 4
