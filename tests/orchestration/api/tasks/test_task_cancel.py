from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestration.models import Command, Run
from orchestration.services.leases import Claim
from taskmapr.users.models import User
from tests.orchestration.api.conftest import Call

pytestmark = pytest.mark.django_db


@pytest.mark.req("TQ-17")
def test_a_waiting_task_is_cancelled_at_once(call: Call, assign: Callable[..., str]) -> None:
    task_id = assign()

    answer = call("POST", f"/tasks/{task_id}/cancel")

    assert (answer.status, answer.json) == (202, {"task_id": task_id, "status": "cancelling"})
    body = call("GET", f"/result/{task_id}").json
    assert (body["status"], body["state"], body["error"]["code"]) == (
        "cancelled",
        "REVOKED",
        "cancelled",
    )


@pytest.mark.req("TQ-17")
def test_a_running_task_is_told_and_may_be_told_again(
    call: Call, assign: Callable[..., str], hold: Callable[..., Claim]
) -> None:
    task_id = assign()
    hold(Run.objects.get().pk)

    answers = [call("POST", f"/tasks/{task_id}/cancel/") for _ in range(2)]

    assert [answer.status for answer in answers] == [202, 202]
    assert set(Command.objects.values_list("kind", flat=True)) == {"cancel"}


@pytest.mark.req("TQ-17", "TQ-S7")
def test_a_finished_task_cannot_be_cancelled(call: Call, assign: Callable[..., str]) -> None:
    task_id = assign()
    call("POST", f"/tasks/{task_id}/cancel")

    answer = call("POST", f"/tasks/{task_id}/cancel")

    assert (answer.status, answer.json["code"]) == (409, "already_finished")


@pytest.mark.req("TQ-03")
def test_a_stranger_cancels_nothing(call: Call, assign: Callable[..., str], cyd: User) -> None:
    task_id = assign()

    answer = call("POST", f"/tasks/{task_id}/cancel", user=cyd)

    assert (answer.status, answer.json["code"]) == (404, "task_not_found")
    assert Run.objects.get().status == "queued"


@pytest.mark.req("TQ-02")
def test_needs_its_own_scope(
    call: Call, assign: Callable[..., str], ada: User, key_of: Callable[..., dict[str, str]]
) -> None:
    key = key_of(ada, "tasks:read", "tasks:assign")

    answer = call("POST", f"/tasks/{assign()}/cancel", user=None, **key)

    assert (answer.status, answer.json["code"]) == (403, "scope_missing")
    assert Run.objects.get().status == "queued"
