"""`/api/chat/{session_key}` and `/api/stream/{session_key}`; whole answers: tests/e2e."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestration.models import Message, Run, Session
from orchestration.services.run_end import run_cancel
from taskmapr.users.models import User
from taskmapr.users.services.sign_ins import tokens_issue
from tests.orchestration.api.conftest import Call
from tests.orchestration.conftest import StartRun


@pytest.mark.req("OV-49", "OV-08")
@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/api/chat/s-1", "{}", 422, "validation_error"),
        ("/api/chat/s-1", '{"message":"  "}', 422, "validation_error"),
        ("/api/chat/s-1", "[]", 422, "validation_error"),
        ("/api/chat/s-1", '{"message":', 400, "invalid_json"),
        ("/api/chat/no%20spaces", '{"message":"hi"}', 422, "validation_error"),
        (f"/api/chat/{'s' * 201}", '{"message":"hi"}', 422, "validation_error"),
    ],
)
def test_a_bad_message_is_refused_before_anything_exists(
    call: Call, path: str, body: str, status: int, code: str
) -> None:
    answer = call("POST", path, body)

    assert (answer.status, answer.json["code"]) == (status, code)
    assert not Run.objects.exists()
    assert not Session.objects.exists()


@pytest.mark.req("OV-50", "OV-08")
@pytest.mark.parametrize("query", ["", "?prompt=", "?message=%20"])
def test_a_stream_without_a_prompt_is_refused(call: Call, query: str) -> None:
    answer = call("GET", f"/api/stream/s-1{query}")

    assert (answer.status, answer.json["code"]) == (422, "validation_error")
    assert not Run.objects.exists()


@pytest.mark.req("OV-47", "OV-49", "OV-50", "OV-S10")
def test_a_foreign_session_is_forbidden(call: Call, start: StartRun, cyd: User) -> None:
    start()

    answers = [
        call("POST", "/api/chat/s-1", {"message": "hi"}, user=cyd),
        call("GET", "/api/stream/s-1?prompt=hi", user=cyd),
    ]

    assert {(a.status, a.json["code"]) for a in answers} == {(403, "session_forbidden")}
    assert Message.objects.count() == 1


@pytest.mark.req("OV-49", "OV-50", "OV-S9")
def test_without_credentials_nothing_happens(call: Call) -> None:
    for method, path in (("POST", "/api/chat/s-1"), ("GET", "/api/stream/s-1?prompt=hi")):
        answer = call(method, path, user=None)
        assert (answer.status, answer.json["code"]) == (401, "missing_token")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.req("OV-50")
def test_a_head_begins_nothing(call: Call) -> None:
    answer = call("HEAD", "/api/stream/s-1?prompt=hi")

    assert answer.status == 405
    assert not Run.objects.exists()


@pytest.mark.req("OV-50", "OV-22")
def test_an_event_source_that_comes_back_goes_on_with_its_run(
    call: Call, ada: User, start: StartRun
) -> None:
    run = start()
    run_cancel(run_id=run.pk, by="ada")
    token = tokens_issue(user_id=ada.pk).access_token
    address = f"/api/stream/s-1?prompt=hi&access_token={token}"

    rest = call("GET", address, user=None, last_event_id=f"{run.pk}:1")
    over = call("GET", address, user=None, last_event_id=f"{run.pk}:3")

    assert [frame["type"] for frame in rest.frames] == ["metadata", "complete"]
    assert (over.status, over.body) == (204, b"")
    assert Run.objects.count() == 1


@pytest.mark.req("OV-50", "OV-22")
def test_a_run_of_somebody_else_cannot_be_resumed(call: Call, start: StartRun, cyd: User) -> None:
    run = start()

    answer = call("GET", "/api/stream/s-1?prompt=hi", user=cyd, last_event_id=f"{run.pk}:1")

    assert (answer.status, answer.json["code"]) == (404, "run_not_found")


@pytest.mark.req("OV-57", "OV-50")
def test_streams_that_begin_a_run_use_up_the_allowance(call: Call, settings: Any) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "rate_limit_per_minute": 1}

    answers = [call("GET", "/api/stream/s-1") for _ in range(2)]

    assert [answer.status for answer in answers] == [422, 429]
    assert answers[1].json["code"] == "rate_limited"
    assert int(answers[1].headers["Retry-After"]) >= 1


@pytest.mark.req("OV-09")
@pytest.mark.parametrize("slash", ["", "/"])
def test_paths_answer_with_and_without_a_slash(call: Call, slash: str) -> None:
    assert call("POST", f"/api/chat/s-1{slash}", "{}").status == 422
    assert call("GET", f"/api/stream/s-1{slash}").status == 422
    assert call("GET", f"/api/chat/s-1{slash}").status == 405


@pytest.mark.req("OV-70")
def test_the_oldest_direct_form_is_accepted(call: Call, queue: Any) -> None:
    """Its members have other names; what the answer holds is the same."""
    queue.is_down = True  # the request is accepted, stored and then cannot be queued
    body = {
        "message": " hi ",
        "context": {"tenant": "demo"},
        "config": {
            "model": "nobody-allows-this",
            "temperature": 9,
            "maxTokens": 10**9,
            "instructions": "be rude",
            "framework": "langchain",
        },
    }

    answer = call("POST", "/api/taskmapr/orchestrate", json.dumps(body))

    assert answer.status == 503
    stored = Run.objects.get().input
    assert (stored["prompt"], stored["customContext"]) == ("hi", {"tenant": "demo"})
    assert "framework" not in stored["config"]
