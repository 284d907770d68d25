from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.models import Approval, Run
from orchestration.services.pausing import approvals_expire
from taskmapr.core.task_types import TaskContext
from taskmapr.core.timestamps import timestamp_of
from taskmapr.users.models import User
from tests.orchestration.api.conftest import Call

Carried = Callable[[str], Run]

pytestmark = [pytest.mark.django_db, pytest.mark.req("TQ-46")]


def asks(params: dict[str, Any], ctx: TaskContext) -> Any:
    ctx.progress(20, "looked around")
    said = ctx.confirmation("May it?", {"n": params.get("n")}, wait_s=3600)
    return {"decision": said.decision, "by": said.by}


@pytest.fixture
def waiting(call: Call, carried: Carried, of_type: Callable[..., Any]) -> str:
    """A task of Ada's that waits for a person."""
    of_type(asks)
    task_id = str(call("POST", "/assign-task/", {"task_type": "trial"}).json["task_id"])
    assert carried(task_id).status == "paused"
    return task_id


def test_it_is_shown_as_running_and_says_what_it_waits_for(
    call: Call, waiting: str, caplog: pytest.LogCaptureFixture
) -> None:
    told = call("GET", f"/result/{waiting}").json

    assert (told["status"], told["state"], told["ready"]) == ("running", "STARTED", False)
    assert told["progress"] == {"percent": 20, "text": "waiting for confirmation"}
    steps = [r.__dict__["event"] for r in caplog.get_records("setup") if "event" in r.__dict__]
    assert steps == ["assigned", "started"]
    approval = Approval.objects.get(run_id=waiting)
    left = approval.expires_at - timezone.now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    asked = told["details"]["confirmation"]
    assert (asked["prompt"], asked["args"]) == ("May it?", {"n": None})
    assert asked["expires_at"] == timestamp_of(approval.expires_at)
    (listed,) = call("GET", "/tasks/runs/").json["items"]
    assert listed["details"] == told["details"]


@pytest.mark.parametrize(
    ("body", "status", "decision"),
    [
        ("", "confirmed", "approved"),
        ("{}", "confirmed", "approved"),
        ('{"approve": true}', "confirmed", "approved"),
        ('{"approve": false}', "refused", "denied"),
    ],
)
def test_its_owner_answers_and_it_goes_on(
    call: Call, carried: Carried, ada: User, waiting: str, body: str, status: str, decision: str
) -> None:
    answer = call("POST", f"/tasks/{waiting}/confirm", body)

    assert (answer.status, answer.json) == (200, {"task_id": waiting, "status": status})
    assert carried(waiting).status == "succeeded"
    told = call("GET", f"/result/{waiting}").json
    assert told["result"] == {"decision": decision, "by": f"user:{ada.pk}"}
    assert "confirmation" not in told["details"]
    again = call("POST", f"/tasks/{waiting}/confirm", body)
    assert (again.status, again.json["code"]) == (409, "already_finished")


def test_nobodys_answer_is_one_as_well(call: Call, carried: Carried, waiting: str) -> None:
    Approval.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    approvals_expire()

    assert call("POST", f"/tasks/{waiting}/confirm").json["code"] == "already_resolved"
    assert carried(waiting).status == "succeeded"
    result = call("GET", f"/result/{waiting}").json["result"]
    assert result == {"decision": "expired", "by": "clock"}


def test_one_that_waits_for_nobody(call: Call, assign: Callable[..., str]) -> None:
    answer = call("POST", f"/tasks/{assign()}/confirm")

    assert (answer.status, answer.json["code"]) == (409, "already_resolved")


@pytest.mark.parametrize("body", ["[]", '"yes"', '{"approve": "yes"}', '{"approve": null}'])
def test_a_body_that_says_neither(call: Call, waiting: str, body: str) -> None:
    assert call("POST", f"/tasks/{waiting}/confirm", body).status == 422
    assert Approval.objects.get().status == "open"


def test_strangers_and_operators_answer_nothing_here(call: Call, waiting: str, cyd: User) -> None:
    root = User.objects.create_superuser("root@example.org", "a long password")
    for user in (cyd, root):
        answer = call("POST", f"/tasks/{waiting}/confirm", user=user)
        assert (answer.status, answer.json["code"]) == (404, "task_not_found")
    assert Approval.objects.get().status == "open"


def test_a_key_for_other_types_or_for_reading_confirms_nothing(
    call: Call, waiting: str, ada: User, key_of: Callable[..., dict[str, str]]
) -> None:
    for key in (key_of(ada, task_types=["test_*"]), key_of(ada, "tasks:read")):
        answer = call("POST", f"/tasks/{waiting}/confirm", user=None, **key)
        assert (answer.status, answer.json["code"]) == (403, "scope_missing")
    assert Approval.objects.get().status == "open"


def test_a_key_that_may_is_named(
    call: Call, waiting: str, ada: User, key_of: Callable[..., dict[str, str]]
) -> None:
    key = key_of(ada, task_types=["trial"])

    assert call("POST", f"/tasks/{waiting}/confirm", user=None, **key).status == 200
    assert Approval.objects.get().resolved_by.startswith("key:")


def test_cancelling_one_that_waits(call: Call, waiting: str) -> None:
    assert call("POST", f"/tasks/{waiting}/cancel").status == 202

    assert call("GET", f"/result/{waiting}").json["status"] == "cancelled"
    assert call("POST", f"/tasks/{waiting}/confirm").json["code"] == "already_finished"
