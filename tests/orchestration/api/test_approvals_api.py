from __future__ import annotations

from datetime import timedelta

import pytest

from orchestration.models.approval import ApprovalAsks
from orchestration.services.pausing import approval_open
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from tests.orchestration.api.conftest import Call
from tests.orchestration.conftest import StartRun


@pytest.fixture
def approval_id(start: StartRun) -> str:
    run = start()
    asked = approval_open(
        run_id=run.pk,
        asks=ApprovalAsks.QUESTION,
        question={"prompt": "Which one?"},
        wait=timedelta(minutes=5),
    )
    return str(asked.pk)


def test_the_owner_sees_and_answers_it(call: Call, approval_id: str) -> None:
    answer = call(
        "POST",
        f"/api/taskmapr/approvals/{approval_id}",
        {"decision": "answered", "answer": "the second"},
    )

    assert (answer.status, answer.json["status"]) == (200, "answered")


def test_a_stranger_does_not_find_it(call: Call, approval_id: str, cyd: User) -> None:
    for wanted in (approval_id, str(uuid7()), "x"):
        answer = call(
            "POST", f"/api/taskmapr/approvals/{wanted}", {"decision": "approved"}, user=cyd
        )
        assert (answer.status, answer.json["code"]) == (404, "not_found")


def test_an_unknown_decision_is_refused(call: Call, approval_id: str) -> None:
    answer = call("POST", f"/api/taskmapr/approvals/{approval_id}", {"decision": "perhaps"})

    assert (answer.status, answer.json["code"]) == (422, "validation_error")
