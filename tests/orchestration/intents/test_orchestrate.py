"""POST /orchestrate: what is answered when."""

from __future__ import annotations

import re
from typing import Any

import pytest

from orchestration.models import Run
from tests.orchestration.intents.conftest import Call

SAMPLE = {"param1": "test", "param2": 5}


@pytest.mark.req("IN-01", "IN-03", "IN-07", "IN-27")
def test_a_tool_answers_within_the_request(orchestrate: Call) -> None:
    answer = orchestrate("my.operation", SAMPLE, mode="agent")

    assert answer.status == 200
    body = answer.json
    assert body.pop("duration_ms") >= 0
    assert re.fullmatch("job_[0-9a-f]{32}", body["job_id"])
    run = Run.objects.get()
    assert body == {
        "status": "success",
        "result": {"status": "ok", "result": "testtesttesttesttest"},
        "mode": "agent",
        "job_id": f"job_{run.pk.hex}",
        "intent": "my.operation",
    }
    assert (run.kind, run.status, run.subject, run.mode) == (
        "intent",
        "succeeded",
        "my.operation",
        "agent",
    )
    assert run.is_sealed
    assert "test" not in str(run.input)


@pytest.mark.req("IN-01")
@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"intent": None}, "intent"),
        ({"intent": ".x"}, "intent"),
        ({"intent": "a" * 129}, "intent"),
        ({"intent": "a b"}, "intent"),
        ({"inputs": None}, "inputs"),
        ({"inputs": []}, "inputs"),
        ({"inputs": {"a": "x" * 1024 * 1024}}, "inputs"),
        ({"inputs": {"a": ["x\0y"]}}, "inputs"),
        ({"inputs": {"a\0": 1}}, "inputs"),
        ({"mode": "foo"}, "mode"),
        ({"mode": 5}, "mode"),
        ({"context": "x"}, "context"),
        ({"context": {"a": "x" * 16 * 1024}}, "context"),
        ({"context": {"a": "\\\0"}}, "context"),
        ({"async": "yes"}, "async"),
        ({"callback_url": 5}, "callback_url"),
    ],
)
def test_a_wrong_member_is_named(call: Call, change: dict[str, Any], path: str) -> None:
    body = {"intent": "my.operation", "inputs": SAMPLE, **change}

    answer = call("POST", "/orchestrate", {k: v for k, v in body.items() if v is not None})

    assert answer.status == 422
    assert answer.json["code"] == "validation_error"
    assert [f["path"] for f in answer.json["details"]["fields"]] == [path]
    assert not Run.objects.exists()


@pytest.mark.req("IN-01")
def test_what_only_looks_like_nul_is_a_text_like_any_other(orchestrate: Call) -> None:
    answer = orchestrate("my.operation", {"param1": r"C:\u0000", "param2": 1})

    assert answer.status == 200
    assert r"C:\u0000" in answer.json["result"]["result"]


@pytest.mark.req("IN-01")
def test_broken_json_is_refused(call: Call) -> None:
    assert call("POST", "/orchestrate", b'{"intent":').status == 400


@pytest.mark.req("IN-01", "IN-05")
def test_inputs_are_checked_against_the_tools_schema(orchestrate: Call) -> None:
    answer = orchestrate("my.operation", {"param1": "test", "param2": "5"})

    assert answer.status == 422
    assert answer.json["details"]["fields"][0]["path"] == "inputs.param2"
    assert not Run.objects.exists()


@pytest.mark.req("IN-06")
def test_an_unknown_intent_lists_what_there_is(orchestrate: Call) -> None:
    answer = orchestrate("my.operatoin")

    assert answer.status == 404
    body = answer.json
    assert body["code"] == "unknown_intent"
    available = body["details"]["available"]
    assert available == sorted(available)
    assert "my.operation" in available
    assert not any(name.startswith("ui.") for name in available)
    assert body["error"] == f"Intent 'my.operatoin' not found. Available: [{', '.join(available)}]"
    assert body["details"]["suggestions"][0] == "my.operation"


@pytest.mark.req("IN-06")
def test_another_mode_than_the_intent_has_is_refused(orchestrate: Call) -> None:
    answer = orchestrate("my.operation", SAMPLE, mode="flow")

    assert (answer.status, answer.json["code"]) == (422, "mode_not_supported")
    assert answer.json["details"]["modes"] == ["agent"]


@pytest.mark.req("IN-01")
def test_the_alias_answers_the_same(call: Call) -> None:
    body = {"intent": "my.operation", "inputs": SAMPLE}

    answer = call("POST", "/api/orchestrate", body)

    assert answer.status == 200
    assert answer.json["result"]["result"] == "test" * 5


@pytest.mark.req("IN-04")
def test_asynchronous_is_answered_at_once(orchestrate: Call, call: Call) -> None:
    answer = orchestrate("my.operation", SAMPLE, **{"async": True})

    assert answer.status == 202
    job_id = answer.json["job_id"]
    assert answer.json == {
        "status": "accepted",
        "job_id": job_id,
        "message": "Job accepted for async processing",
        "mode": "agent",
        "callback_url": None,
        "status_url": f"/jobs/{job_id}",
        "stream_url": f"/jobs/{job_id}/stream",
    }
    assert answer.headers["Location"] == f"/jobs/{job_id}"
    assert answer.headers["Retry-After"] == "2"
    assert call("GET", f"/jobs/{job_id}").json["status"] == "success"


@pytest.mark.req("IN-03", "IN-04")
def test_no_time_to_wait_means_always_asynchronous(orchestrate: Call, settings: Any) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "sync_timeout_s": 0}

    assert orchestrate("my.operation", SAMPLE).status == 202


@pytest.mark.req("IN-02")
def test_nobody_is_refused(orchestrate: Call, settings: Any) -> None:
    assert (
        orchestrate("my.operation", SAMPLE, user=None, authorization="Bearer x.y.z").status == 401
    )


@pytest.mark.req("IN-35")
def test_a_queue_that_is_down_leaves_no_job(orchestrate: Call, worker: Any) -> None:
    worker.is_down = True

    answer = orchestrate("my.operation", SAMPLE)

    assert (answer.status, answer.json["code"]) == (503, "queue_unavailable")
    assert not Run.objects.filter(status="queued").exists()
