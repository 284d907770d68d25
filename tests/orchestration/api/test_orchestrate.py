from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync

from orchestration.api.asking import overlay_started
from orchestration.models import Message, Run, Session
from orchestration.page.request import parse_request
from orchestration.services.leases import Claim
from orchestration.services.overlay_runs import Asked
from orchestration.services.run_end import run_cancel
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from tests.fakes import RecordingQueue
from tests.orchestration.api.conftest import Call
from tests.orchestration.conftest import StartRun

PATH = "/api/taskmapr/orchestrate"


def _nothing_was_stored() -> bool:
    return not (Run.objects.exists() or Session.objects.exists() or Message.objects.exists())


@pytest.mark.req("OV-08", "OV-11", "OV-13", "OV-20", "OV-S8")
@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        ({"history": []}, "application/json", 422, "validation_error"),
        ("{}", "application/json", 422, "validation_error"),
        ('{"prompt":', "application/json", 400, "invalid_json"),
        ('{"prompt":"hi"}', "text/plain", 415, "unsupported_media_type"),
        (b" " * (4 * 1024 * 1024 + 1), "application/json", 413, "payload_too_large"),
        ({"prompt": "hi", "domElements": "x"}, "application/json", 422, "validation_error"),
        ({"prompt": "hi", "sessionId": "no spaces"}, "application/json", 422, "validation_error"),
        ({"prompt": "   "}, "application/json", 422, "validation_error"),
        ("[]", "application/json", 422, "validation_error"),
        ({"prompt": "hi", "profile": "nowhere"}, "application/json", 404, "not_found"),
    ],
)
def test_a_bad_request_is_refused_before_anything_exists(
    call: Call, body: Any, content_type: str, status: int, code: str
) -> None:
    answer = call("POST", PATH, body, content_type=content_type)

    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert _nothing_was_stored()


@pytest.mark.req("OV-08", "OV-S8")
def test_a_missing_prompt_is_named(call: Call) -> None:
    answer = call("POST", PATH, "{}")

    assert answer.json["details"]["fields"][0]["path"] == "prompt"


def test_without_credentials_nothing_happens(call: Call) -> None:
    answer = call("POST", PATH, {"prompt": "hi"}, user=None)

    assert (answer.status, answer.json["code"]) == (401, "missing_token")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert _nothing_was_stored()


@pytest.mark.req("OV-47", "OV-S10")
def test_a_foreign_session_is_forbidden(call: Call, start: StartRun, cyd: User) -> None:
    start()

    answer = call("POST", PATH, {"prompt": "hi", "sessionId": "s-1"}, user=cyd)

    assert (answer.status, answer.json["code"]) == (403, "session_forbidden")
    assert Message.objects.count() == 1


@pytest.mark.req("OV-24", "OV-S17")
def test_a_full_session_is_busy(call: Call, start: StartRun) -> None:
    for _ in range(4):
        start()

    answer = call("POST", PATH, {"prompt": "hi", "sessionId": "s-1"})

    assert (answer.status, answer.json["code"]) == (409, "session_busy")
    assert Run.objects.count() == 4


@pytest.mark.req("OV-24")
def test_a_session_is_not_busy_with_a_run_whose_end_was_told(
    start: StartRun,
    hold: Callable[[UUID], Claim],
    ada: User,
    ends_when_asked: Callable[[Run], None],
) -> None:
    first, *_ = [start() for _ in range(4)]
    hold(first.pk)
    ends_when_asked(first)
    asked = Asked(
        run_id=uuid7(),
        user_id=ada.pk,
        user_name="ada",
        request=parse_request({"prompt": "hi", "sessionId": "s-1"}),
        origin=None,
        request_id="",
    )

    started = async_to_sync(overlay_started)(asked)

    assert started.created.data["session_id"] == "s-1"


@pytest.mark.req("OV-64")
def test_a_queue_that_is_down_is_said_and_leaves_nothing_open(
    call: Call, queue: RecordingQueue
) -> None:
    queue.is_down = True

    answer = call("POST", PATH, {"prompt": "hi"})

    assert (answer.status, answer.json["code"]) == (503, "queue_unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert Run.objects.get().status == "failed"


@pytest.mark.req("OV-62")
def test_outside_dev_mode_a_model_must_be_configured(call: Call, settings: Any) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "offline_model": False}

    answer = call("POST", PATH, {"prompt": "hi"})

    assert (answer.status, answer.json["code"]) == (503, "llm_not_configured")
    assert _nothing_was_stored()


@pytest.mark.req("OV-22")
@pytest.mark.parametrize("cursor", ["x", "1:2", ":3", "{run}:-1", "{run}:x", "{run}"])
def test_a_malformed_cursor_is_refused(call: Call, start: StartRun, cursor: str) -> None:
    run = start()

    answer = call("POST", PATH, "{}", last_event_id=cursor.format(run=run.pk))

    assert (answer.status, answer.json["code"]) == (422, "validation_error")


@pytest.mark.req("OV-17", "OV-22")
def test_a_finished_run_replays_after_the_cursor(call: Call, start: StartRun) -> None:
    run = start()
    run_cancel(run_id=run.pk, by="ada")

    whole = call("GET", f"/api/taskmapr/runs/{run.pk}/stream")
    rest = call("POST", PATH, last_event_id=f"{run.pk}:1")

    assert whole.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert whole.headers["X-Run-Id"] == str(run.pk)
    assert whole.headers["X-Session-Id"] == "s-1"
    assert whole.headers["Cache-Control"] == "no-cache, no-transform"
    assert whole.headers["X-Accel-Buffering"] == "no"
    assert [f["type"] for f in whole.frames] == ["metadata", "metadata", "complete"]
    assert [f["type"] for f in rest.frames] == ["metadata", "complete"]
    assert rest.frames == whole.frames[1:]
    assert rest.frames[-1]["data"]["status"] == "cancelled"
    assert Run.objects.count() == 1


@pytest.mark.req("OV-22")
def test_a_cursor_may_stand_in_the_address(call: Call, start: StartRun) -> None:
    run = start()
    run_cancel(run_id=run.pk, by="ada")

    answer = call("GET", f"/api/taskmapr/runs/{run.pk}/stream/?last_event_id={run.pk}:2")

    assert [f["type"] for f in answer.frames] == ["complete"]


@pytest.mark.req("OV-22")
@pytest.mark.parametrize("which", ["foreign", "unknown", "nonsense"])
def test_a_run_that_is_not_yours_does_not_exist(
    call: Call, start: StartRun, cyd: User, which: str
) -> None:
    run_id = {"foreign": start().pk, "unknown": uuid7(), "nonsense": "nonsense"}[which]

    answers = [
        call("GET", f"/api/taskmapr/runs/{run_id}/stream", user=cyd),
        call("GET", f"/api/taskmapr/runs/{run_id}", user=cyd),
        call("POST", f"/api/taskmapr/runs/{run_id}/cancel", user=cyd),
    ]

    assert {(a.status, a.json["code"]) for a in answers} == {(404, "run_not_found")}
    assert not Run.objects.exclude(status="queued").exists()


@pytest.mark.req("OV-22")
def test_erased_events_are_gone(call: Call, start: StartRun) -> None:
    from orchestration.services.retention import run_contents_erase

    run = start()
    run_cancel(run_id=run.pk, by="ada")
    run_contents_erase([run.pk])

    answer = call("GET", f"/api/taskmapr/runs/{run.pk}/stream")

    assert (answer.status, answer.json["code"]) == (410, "events_expired")


@pytest.mark.req("OV-09")
@pytest.mark.parametrize("slash", ["", "/"])
def test_paths_answer_with_and_without_a_slash(call: Call, start: StartRun, slash: str) -> None:
    run = start()

    assert call("GET", f"/api/taskmapr/runs/{run.pk}{slash}").status == 200
    assert call("GET", f"/api/history/s-1{slash}").status == 200
    assert call("GET", f"/health{slash}", user=None).status in {200, 503}
    assert call("POST", f"{PATH}{slash}", "{}").status == 422
    assert call("GET", f"{PATH}{slash}").status == 405
