from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError

from orchestration.models import Delivery, IdempotencyKey, Run
from taskmapr.core.task_types import TaskType
from taskmapr.users.models import User
from tests.fakes import RecordingQueue
from tests.orchestration.api.conftest import Call

PATH = "/assign-task/"
TEST = {"task_type": "test_task", "params": {"test": True}}

pytestmark = pytest.mark.django_db


@pytest.mark.req("TQ-06", "TQ-07", "TQ-S1")
def test_an_order_becomes_a_task(call: Call, queue: RecordingQueue, ada: User) -> None:
    answer = call("POST", PATH, TEST, x_request_id="ask-1")

    task = Run.objects.get()
    assert answer.status == 200
    assert answer.json == {
        "task_id": str(task.pk),
        "status": "assigned",
        "message": "Task 'test_task' successfully assigned",
        "timestamp": answer.json["timestamp"],
        "task_type": "test_task",
        "result_url": f"/result/{task.pk}",
        "ws_url": f"/ws/task/{task.pk}",
    }
    assert answer.json["timestamp"].endswith("Z")
    assert (task.kind, task.subject, task.status, task.owner_id) == (
        "task",
        "test_task",
        "queued",
        ada.pk,
    )
    assert (task.priority, task.queue, task.request_id) == (5, "default", "ask-1")
    assert task.input["params"] == {"test": True}
    assert queue.run_ids == [task.pk]


@pytest.mark.req("TQ-06")
def test_wishes_are_kept(call: Call, queue: RecordingQueue) -> None:
    eta = datetime.now(UTC) + timedelta(days=2)
    wishes = {"priority": 9, "timeout_s": 7, "max_retries": 1, "eta": eta.isoformat()}

    assert call("POST", PATH, {**TEST, **wishes}).status == 200

    task = Run.objects.get()
    assert (task.priority, task.max_attempts, task.due_at) == (9, 2, eta)
    settings = task.input["settings"]
    assert (settings["timeout_s"], settings["max_retries"]) == (7, 1)
    assert task.timeout_s is not None
    assert task.timeout_s > 2 * 7
    assert queue.run_ids == []


@pytest.mark.req("TQ-06")
def test_a_time_that_is_over_is_now(call: Call, queue: RecordingQueue) -> None:
    assert call("POST", PATH, {**TEST, "eta": "2020-01-01T00:00:00Z"}).status == 200
    assert len(queue.run_ids) == 1


@pytest.mark.req("TQ-06", "TQ-08", "TQ-S3")
@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "task_type"),
        ({"task_type": ""}, "task_type"),
        ({"task_type": 1}, "task_type"),
        ([], "body"),
        ("x", "body"),
        ({**TEST, "params": []}, "params"),
        ({**TEST, "params": {"steps": "many"}}, "params.steps"),
        ({**TEST, "params": {"x": "x" * 262_144}}, "params"),
        ({**TEST, "priority": 10}, "priority"),
        ({**TEST, "priority": True}, "priority"),
        ({**TEST, "timeout_s": 0.5}, "timeout_s"),
        ({**TEST, "timeout_s": 301}, "timeout_s"),
        ({**TEST, "max_retries": -1}, "max_retries"),
        ({**TEST, "max_retries": 4}, "max_retries"),
        ({**TEST, "eta": "tomorrow"}, "eta"),
        ({**TEST, "eta": "2026-01-01T10:00:00"}, "eta"),
        ({**TEST, "eta": 1767261600}, "eta"),
        ({**TEST, "eta": "2999-01-01T10:00:00Z"}, "eta"),
        ({**TEST, "idempotency_key": "with space"}, "idempotency_key"),
    ],
)
def test_a_slip_is_told_by_its_path(call: Call, body: Any, path: str) -> None:
    answer = call("POST", PATH, json.dumps(body))

    assert (answer.status, answer.json["code"]) == (422, "validation_error")
    assert answer.json["details"]["fields"][0]["path"] == path
    assert not Run.objects.exists()


@pytest.mark.req("TQ-06")
def test_members_that_mean_nothing_are_named(call: Call) -> None:
    answer = call("POST", PATH, {**TEST, "parameters": {"test": False}})

    assert answer.status == 200
    assert answer.json["warnings"] == ["'parameters' is no member of an order and was passed over."]


@pytest.mark.req("TQ-08")
def test_defaults_of_the_type_are_filled_in(call: Call, of_type: Callable[..., TaskType]) -> None:
    schema = {"type": "object", "properties": {"how": {"type": "string", "default": "gently"}}}
    of_type(lambda params, ctx: params, params_schema=schema, defaults={"who": "all"})

    assert call("POST", PATH, {"task_type": "trial", "params": {"a": 1}}).status == 200

    assert Run.objects.get().input["params"] == {"how": "gently", "who": "all", "a": 1}


@pytest.mark.req("TQ-08", "TQ-S3")
def test_an_unknown_type_is_told_with_those_that_are_there(call: Call) -> None:
    answer = call("POST", PATH, {"task_type": "nope"})

    assert (answer.status, answer.json["code"]) == (404, "unknown_task_type")
    available = answer.json["details"]["available"]
    assert "test_task" in available
    assert available == sorted(available)


@pytest.mark.req("TQ-08")
def test_a_disabled_type_is_a_conflict(call: Call, of_type: Callable[..., TaskType]) -> None:
    of_type(lambda params, ctx: None, enabled=False)

    answer = call("POST", PATH, {"task_type": "trial"})

    assert (answer.status, answer.json["code"]) == (409, "task_disabled")
    assert not Run.objects.exists()


@pytest.mark.req("TQ-01", "TQ-S3")
def test_broken_json_and_wrong_methods_are_problems(call: Call) -> None:
    broken, other = call("POST", PATH, "{"), call("GET", PATH)

    assert (broken.status, broken.json["code"]) == (400, "invalid_json")
    assert (other.status, other.json["code"]) == (405, "method_not_allowed")
    assert other.headers["Content-Type"] == "application/problem+json"


@pytest.mark.req("TQ-06")
@pytest.mark.parametrize("depth", [101, 900])
def test_what_is_nested_too_deep_is_refused(call: Call, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    body = f'{{"task_type": "test_task", "params": {{"deep": {nested}}}}}'

    answer = call("POST", PATH, body)

    assert (answer.status, answer.json["code"]) == (400, "invalid_json")
    assert not Run.objects.exists()


@pytest.mark.req("TQ-06")
def test_many_short_lists_are_not_nested(call: Call) -> None:
    assert call("POST", PATH, {**TEST, "params": {"lists": [[] for _ in range(500)]}}).status == 200


@pytest.mark.req("TQ-06")
@pytest.mark.django_db(transaction=True)
def test_what_no_store_can_hold_is_refused(call: Call) -> None:
    answer = call("POST", PATH, {**TEST, "params": {"text": "a\0b"}})

    assert (answer.status, answer.json["code"]) == (422, "validation_error")
    assert not Run.objects.exists()


@pytest.mark.req("TQ-07", "TQ-S12")
def test_without_a_queue_the_task_has_failed(call: Call, queue: RecordingQueue) -> None:
    queue.is_down = True

    answer = call("POST", PATH, {**TEST, "callback_url": "https://93.184.215.14/hook"})

    assert (answer.status, answer.json["code"]) == (503, "queue_unavailable")
    assert not Delivery.objects.exists()  # who asked has been told
    assert Run.objects.get().status == "failed"


@pytest.mark.req("TQ-06", "TQ-S16")
@pytest.mark.parametrize("by_header", [True, False])
def test_a_repeat_is_answered_with_its_task(
    call: Call, queue: RecordingQueue, by_header: bool
) -> None:
    body = TEST if by_header else {**TEST, "idempotency_key": "k-1"}
    headers = {"idempotency_key": "k-1"} if by_header else {}

    first = call("POST", PATH, body, **headers)
    second = call("POST", PATH, body, **headers)

    assert first.json["task_id"] == second.json["task_id"]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(queue.run_ids) == Run.objects.count() == 1
    assert IdempotencyKey.objects.get().get_kind_display() == "Sent by the client"


@pytest.mark.req("TQ-06", "TQ-S16")
def test_the_same_key_is_not_good_for_another_order(call: Call, cyd: User) -> None:
    call("POST", PATH, TEST, idempotency_key="k-1")

    other = call("POST", PATH, {**TEST, "priority": 1}, idempotency_key="k-1")
    foreign = call("POST", PATH, TEST, idempotency_key="k-1", user=cyd)

    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    assert foreign.status == 200
    assert Run.objects.count() == 2


@pytest.mark.req("TQ-06")
@pytest.mark.parametrize("key", ["", "with space", "x" * 256])
def test_an_odd_key_in_the_header_is_a_malformed_request(call: Call, key: str) -> None:
    answer = call("POST", PATH, TEST, idempotency_key=key)
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")


@pytest.mark.req("TQ-06")
def test_a_callback_goes_only_where_the_internet_is(call: Call) -> None:
    inside = call("POST", PATH, {**TEST, "callback_url": "https://127.0.0.1/hook"})
    outside = call("POST", PATH, {**TEST, "callback_url": "https://93.184.215.14/hook"})

    assert (inside.status, inside.json["code"]) == (422, "callback_url_not_allowed")
    assert outside.status == 200
    assert Run.objects.get().input["callback_url"] == "https://93.184.215.14/hook"


@pytest.mark.req("TQ-06")
def test_a_task_and_its_callback_are_written_together_or_not_at_all(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> None:
        raise OperationalError("the connection was lost")

    monkeypatch.setattr("orchestration.services.run_start.delivery_register", broken)

    answer = call("POST", PATH, {**TEST, "callback_url": "https://93.184.215.14/hook"})

    assert (answer.status, answer.json["code"]) == (503, "database_unavailable")
    assert not Run.objects.exists()


def test_the_id_tells_the_time(call: Call) -> None:
    assert UUID(call("POST", PATH, TEST).json["task_id"]).version == 7
