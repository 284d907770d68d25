"""Older clients, pages of other origins, limits and repeats, over real HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.e2e.cast import PAGE
from tests.e2e.sse import Stream
from tests.e2e.stack import Stack, wait_until

pytestmark = pytest.mark.e2e

STRANGER = "https://evil.example"
ASK = "/api/taskmapr/orchestrate"


# Older clients ----------------------------------------------------------------------------------


@pytest.mark.req("OV-49", "OV-51", "OV-S18")
def test_a_chat_answers_whole_and_the_history_tells_it(stack: Stack) -> None:
    answer = stack.post("/api/chat/old-1", {"message": "hello"})
    body = answer.json()

    assert answer.status == 200
    assert body["response"] == body["content"] == body["message"] != ""
    assert (body["session_key"], body["sessionId"]) == ("old-1", "old-1")
    assert body["status"] == "succeeded"
    stack.wait_for_end(body["run_id"])
    told = stack.get("/api/history/old-1").json()
    assert [(m["role"], m["content"]) for m in told["messages"]] == [
        ("user", "hello"),
        ("assistant", body["content"]),
    ]


@pytest.mark.req("OV-49", "OV-27")
def test_a_chat_whose_model_fails_is_a_problem_that_names_the_run(stack: Stack) -> None:
    answer = stack.post("/api/chat/old-2", {"message": "x", "config": {"model": "status-500"}})
    problem = answer.json()

    assert (answer.status, problem["code"]) == (502, "llm_unavailable")
    assert stack.wait_for_end(problem["details"]["run_id"])["status"] == "failed"


@pytest.mark.req("OV-50", "OV-18", "OV-S18", "VB-83")
def test_an_opened_address_streams_the_same_frames_and_its_token_is_in_no_log(
    stack: Stack,
) -> None:
    token = stack.credentials()["Authorization"].removeprefix("Bearer ")
    prompt = quote("say nothing of this")
    stream = opened(stack, f"/api/stream/old-3?prompt={prompt}&access_token={token}")
    stream.rest()

    assert stream.status == 200
    assert stream.session_id == "old-3"
    assert stream.types[0] == "metadata"
    assert stream.types[-2:] == ["metadata", "complete"]
    assert [f.body for f in stream.frames if f.id] == [
        f.body for f in stack.resume(stream.run_id, None).rest() if f.id
    ]
    resumed = opened(stack, f"/api/taskmapr/runs/{stream.run_id}/stream?access_token={token}")
    assert [f.body for f in resumed.rest() if f.id] == [f.body for f in stream.frames if f.id]
    # The lines about both requests are there, and neither token nor prompt.
    wait_until(lambda: "/api/stream/<str:session_key>" in stack.logs())
    logs = stack.logs()
    assert "/api/taskmapr/runs/<str:run_id>/stream" in logs
    assert token not in logs
    assert token.split(".")[1] not in logs
    assert "say nothing" not in logs
    assert prompt not in logs


@pytest.mark.req("OV-50", "OV-22")
def test_an_event_source_goes_on_and_is_sent_away_at_the_end(stack: Stack) -> None:
    first = stack.get("/api/stream/old-4?prompt=count")
    first.until("text_delta")
    first.cut()
    again = stack.get("/api/stream/old-4?prompt=count", **{"Last-Event-ID": first.last_id})
    again.rest()
    stack.wait_for_end(again.run_id)
    over = stack.get("/api/stream/old-4?prompt=count", **{"Last-Event-ID": again.last_id})

    assert again.run_id == first.run_id
    seen = [frame.seq for frame in first.frames + again.frames if frame.id]
    assert seen == sorted(set(seen))
    assert over.status == 204
    assert len(stack.rows("SELECT id FROM agent_runs WHERE session_id = 'old-4'")) == 1


@pytest.mark.req("OV-70", "OV-69")
@pytest.mark.parametrize("accept", ["application/json", "*/*"])
def test_the_oldest_direct_form_is_answered_in_either_way(stack: Stack, accept: str) -> None:
    body = {
        "message": "hello",
        "context": {"tenant": "demo"},
        "config": {"model": "echo", "temperature": 0.2, "maxTokens": 50, "framework": "x"},
    }
    answer = stack.post(ASK, body, headers={"Accept": accept})

    if accept == "application/json":
        text = answer.json()["content"]
    else:
        text = "".join(f.data["text"] for f in answer.rest() if f.type == "text_delta")
    assert text != ""


# What the present client does -------------------------------------------------------------------


@pytest.mark.req("OV-69", "OV-16")
def test_headers_come_while_the_model_is_still_silent(stack: Stack) -> None:
    stream = stack.ask("wait", model="silent-2")

    assert stream.status == 200  # the headers are here; the model has two words in all
    assert stream.until("metadata").data["run_id"] == stream.run_id
    stream.cut()


@pytest.mark.req("OV-69", "OV-18")
def test_after_an_error_complete_still_tells_the_session(stack: Stack) -> None:
    stream = stack.ask("fail", model="status-500")
    stream.rest()

    assert stream.types[-3:] == ["error", "metadata", "complete"]
    assert stream.frames[-1].data["sessionId"] == stream.session_id


# Pages of other origins -------------------------------------------------------------------------


@pytest.mark.req("OV-56", "OV-S19")
def test_a_named_page_reads_streams_and_refusals_and_a_stranger_nothing(stack: Stack) -> None:
    stream = stack.ask("hello", headers={"Origin": PAGE})
    stream.rest()
    refused = Stream(stack.address(), "POST", ASK, headers={"Origin": PAGE}, body={"prompt": "x"})
    foreign = Stream(
        stack.address(), "POST", ASK, headers={"Origin": STRANGER}, body={"prompt": "x"}
    )

    assert (stream.status, refused.status, foreign.status) == (200, 401, 401)
    for answer in (stream, refused):
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "X-Run-Id" in answer.headers["Access-Control-Expose-Headers"]
    assert cors_of(foreign) == {}


@pytest.mark.req("OV-56", "OV-S19")
@pytest.mark.parametrize("path", [ASK, f"{ASK}/"])
def test_preflights(stack: Stack, path: str) -> None:
    def preflight(origin: str) -> Stream:
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        return Stream(stack.address(), "OPTIONS", path, headers=asked)

    named, foreign = preflight(PAGE), preflight(STRANGER)

    assert named.headers["Access-Control-Allow-Origin"] == PAGE
    assert named.headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
    assert "idempotency-key" in named.headers["Access-Control-Allow-Headers"]
    assert cors_of(foreign) == {}
    # In production nothing local is named by itself.
    assert cors_of(preflight("http://localhost:3000")) == {}


# Limits and repeats -----------------------------------------------------------------------------


@pytest.mark.req("OV-57")
def test_a_limit_holds_over_all_web_processes(stack: Stack) -> None:
    limit = (
        "UPDATE agents_cfg_overlayprofile SET rate_limit_per_minute = %s"
        " WHERE name = 'patient' RETURNING id"
    )
    stack.rows(limit, 2)
    try:
        answers = [stack.ask("hi", profile="patient", web=n % 2) for n in range(3)]
    finally:
        stack.rows(limit, None)

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert int(answers[2].headers["Retry-After"]) >= 1
    assert answers[2].json()["code"] == "rate_limited"


@pytest.mark.req("OV-68")
def test_fifty_repeats_at_once_hear_one_run(stack: Stack) -> None:
    headers = {**stack.credentials(), "Idempotency-Key": str(uuid4())}
    body = {"prompt": "once", "config": {"model": "echo"}}

    def ask(number: int) -> Stream:
        stream = Stream(stack.address(number % 2), "POST", ASK, headers=headers, body=body)
        stream.rest()
        return stream

    with ThreadPoolExecutor(50) as pool:
        streams = list(pool.map(ask, range(50)))

    (run_id,) = {stream.run_id for stream in streams}
    (told,) = {str([f.body for f in stream.frames if f.id]) for stream in streams}
    assert run_id in told
    replayed = [stream for stream in streams if "Idempotency-Replayed" in stream.headers]
    assert len(replayed) == 49
    other = stack.ask("other", headers=headers)
    assert (other.status, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.req("OV-68")
def test_a_repeat_that_wants_json_waits_for_the_run_under_way(stack: Stack) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    stream = stack.ask("count", model="held-4", headers=headers)
    stream.read_texts(1)

    def ask_again() -> Any:
        """Of the other process, which listens for this alone."""
        return stack.ask("count", model="held-4", headers=headers, web=1, stream=False).json()

    with ThreadPoolExecutor(1) as pool, stack.redis() as client:
        asking = pool.submit(ask_again)
        channel = f"tm:live:{stream.run_id}"
        try:
            wait_until(lambda: client.pubsub_numsub(channel)[0][1] == 2)
        finally:
            stack.models.release("held-4")
        whole = asking.result()
    stream.rest()

    assert whole["run_id"] == stream.run_id
    assert whole["content"] == stream.text


@pytest.mark.req("OV-68", "OV-69")
def test_a_browser_that_sends_its_message_thrice_begins_one_run(stack: Stack) -> None:
    history = [
        {"id": "user-7", "role": "user", "content": "hello"},
        {"id": "assistant-8", "role": "assistant", "content": ""},
    ]

    headers = stack.credentials()
    body = {"prompt": "hello", "sessionId": "thrice", "history": history}

    def ask(_: int) -> Stream:
        stream = Stream(stack.address(), "POST", ASK, headers=headers, body=body)
        stream.rest()
        return stream

    with ThreadPoolExecutor(3) as pool:
        streams = list(pool.map(ask, range(3)))

    assert len({stream.run_id for stream in streams}) == 1
    stack.wait_for_end(streams[0].run_id)
    told = stack.get("/api/history/thrice").json()["messages"]
    assert [message["role"] for message in told] == ["user", "assistant"]


def opened(stack: Stack, address: str) -> Stream:
    """As an EventSource opens it: no header of ours."""
    return Stream(stack.address(), "GET", address, headers={"Accept": "text/event-stream"})


def cors_of(answer: Any) -> dict[str, str]:
    headers = answer.headers.items()
    return {name: value for name, value in headers if name.lower().startswith("access-control-")}
