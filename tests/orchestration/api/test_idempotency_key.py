"""The header by which a repeat is known, at the doorway; its rules: the service of that name."""

from __future__ import annotations

import pytest

from orchestration.models import Run
from orchestration.page.request import parse_request
from orchestration.services.overlay_runs import Asked, overlay_run_start
from orchestration.services.run_end import run_cancel
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from tests.fakes import RecordingQueue
from tests.orchestration.api.conftest import Call

PATH = "/api/taskmapr/orchestrate"


@pytest.fixture
def begun(ada: User, call: Call) -> Run:
    """A run of `hi` under the key `k-1`, cancelled meanwhile."""
    started = overlay_run_start(
        Asked(
            run_id=uuid7(),
            user_id=ada.pk,
            user_name=str(ada.pk),
            request=parse_request({"prompt": "hi"}),
            origin=None,
            request_id="",
            idempotency_key="k-1",
        )
    )
    run_cancel(run_id=started.run_id, by="ada")
    return Run.objects.get()


@pytest.mark.req("OV-68")
def test_a_repeat_is_told_the_run_from_its_first_frame(call: Call, begun: Run) -> None:
    answer = call("POST", PATH, {"prompt": "hi"}, idempotency_key="k-1")

    assert answer.status == 200
    assert answer.headers["Idempotency-Replayed"] == "true"
    assert answer.headers["X-Run-Id"] == str(begun.pk)
    assert [frame["type"] for frame in answer.frames] == ["metadata", "metadata", "complete"]
    assert answer.ids[0] == f"{begun.pk}:1"
    assert Run.objects.count() == 1


@pytest.mark.req("OV-68", "OV-27")
def test_a_repeat_may_ask_for_json(call: Call, begun: Run) -> None:
    answer = call("POST", PATH, {"prompt": "hi", "stream": False}, idempotency_key="k-1")

    assert (answer.status, answer.json["run_id"]) == (200, str(begun.pk))
    assert answer.headers["Idempotency-Replayed"] == "true"


@pytest.mark.req("OV-68")
def test_another_body_is_refused(call: Call, begun: Run) -> None:
    answer = call("POST", PATH, {"prompt": "bye"}, idempotency_key="k-1")

    assert (answer.status, answer.json["code"]) == (422, "idempotency_key_reused")
    assert Run.objects.count() == 1


@pytest.mark.req("OV-68")
@pytest.mark.parametrize("key", ["", " ", "two words", "k" * 256, "schlüssel"])
def test_a_malformed_key_is_400(call: Call, key: str) -> None:
    answer = call("POST", PATH, {"prompt": "hi"}, idempotency_key=key)

    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert not Run.objects.exists()


@pytest.mark.req("OV-68", "OV-64")
def test_a_request_that_could_not_be_queued_may_come_again(
    call: Call, queue: RecordingQueue
) -> None:
    queue.is_down = True
    refused = call("POST", PATH, {"prompt": "hi"}, idempotency_key="k-1")
    again = call("POST", PATH, {"prompt": "hi"}, idempotency_key="k-1")

    assert (refused.status, again.status) == (503, 503)
    assert Run.objects.count() == 2
