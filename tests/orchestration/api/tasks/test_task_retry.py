from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestration.admin.run_again import run_again
from orchestration.models import Run
from orchestration.services.task_again import params_again
from taskmapr.core.errors import NotRetryable
from taskmapr.users.models import User
from tests.orchestration.api.conftest import Call

Assign = Callable[..., str]
Carried = Callable[[str], Run]

pytestmark = pytest.mark.django_db


@pytest.mark.req("TQ-44")
def test_a_failed_task_is_assigned_again(call: Call, assign: Assign, carried: Carried) -> None:
    first = assign({"fail": "permanent"}, priority=7, timeout_s=20)
    carried(first)

    answer = call("POST", f"/tasks/{first}/retry")

    second = Run.objects.get(pk=answer.json["task_id"])
    assert answer.status == 200
    assert answer.json["details"] == {"retry_of": first}
    assert str(second.pk) != first
    assert (second.subject, second.priority) == ("test_task", 7)
    assert second.input["params"] == Run.objects.get(pk=first).input["params"]
    assert second.input["settings"]["timeout_s"] == 20
    assert call("GET", f"/result/{second.pk}").json["details"] == {"retry_of": first}


@pytest.mark.req("TQ-44")
def test_only_what_ended_without_success(call: Call, assign: Assign, carried: Carried) -> None:
    waiting, done = assign(), assign()
    carried(done)

    for task_id in (waiting, done):
        answer = call("POST", f"/tasks/{task_id}/retry")
        assert (answer.status, answer.json["code"]) == (409, "not_retryable")
    assert Run.objects.count() == 2


@pytest.mark.req("TQ-44")
def test_a_repeat_of_the_request_makes_one_task(call: Call, assign: Assign) -> None:
    task_id = assign()
    call("POST", f"/tasks/{task_id}/cancel")

    answers = [call("POST", f"/tasks/{task_id}/retry", idempotency_key="k") for _ in range(2)]

    assert answers[0].json["task_id"] == answers[1].json["task_id"]
    assert Run.objects.count() == 2


@pytest.mark.req("TQ-44")
def test_while_the_new_task_goes_on_there_is_no_other(
    call: Call, assign: Assign, carried: Carried
) -> None:
    first = assign({"fail": "permanent"})
    carried(first)

    again, repeat = (call("POST", f"/tasks/{first}/retry") for _ in range(2))
    second = again.json["task_id"]
    carried(second)
    anew = call("POST", f"/tasks/{first}/retry")

    assert (repeat.status, repeat.json["task_id"]) == (200, second)
    assert repeat.json["details"] == {"retry_of": first}
    assert repeat.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in again.headers
    assert "Idempotency-Replayed" not in anew.headers
    assert anew.json["task_id"] not in {first, second}
    assert Run.objects.count() == 3


@pytest.mark.req("TQ-44")
def test_a_key_of_ones_own_makes_another(call: Call, assign: Assign) -> None:
    task_id = assign()
    call("POST", f"/tasks/{task_id}/cancel")

    call("POST", f"/tasks/{task_id}/retry")
    other = call("POST", f"/tasks/{task_id}/retry", idempotency_key="k")

    assert "Idempotency-Replayed" not in other.headers
    assert Run.objects.count() == 3


@pytest.mark.req("TQ-44")
def test_the_admin_finds_the_task_that_goes_on(call: Call, assign: Assign) -> None:
    task_id = assign()
    call("POST", f"/tasks/{task_id}/cancel")
    second = call("POST", f"/tasks/{task_id}/retry").json["task_id"]

    assert str(run_again(Run.objects.get(pk=task_id)).pk) == second


@pytest.mark.req("TQ-44", "TQ-03")
def test_a_stranger_retries_nothing(call: Call, assign: Assign, cyd: User) -> None:
    task_id = assign()
    call("POST", f"/tasks/{task_id}/cancel")

    assert call("POST", f"/tasks/{task_id}/retry", user=cyd).json["code"] == "task_not_found"
    assert Run.objects.count() == 1


@pytest.mark.req("TQ-44")
def test_batches_that_were_dealt_with_are_left_out() -> None:
    outcomes = ["approved", "failed", "skipped", "not_found"]
    result = {"batches": [{"batch_id": n, "outcome": o} for n, o in enumerate(outcomes, 1)]}
    params = {"batch_ids": [1, 2, 3, 4, 5], "auto_approve": True}

    again = params_again("approve_batches", params, result)

    assert again == {"batch_ids": [2, 3, 5], "auto_approve": True}
    assert params_again("approve_batches", params, None) == params
    assert params_again("test_task", params, result) == params
    with pytest.raises(NotRetryable):
        params_again("approve_batches", {"batch_ids": ["1", 4]}, result)
