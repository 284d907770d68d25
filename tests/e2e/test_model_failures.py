"""A model that is away, slow, rude or cut off."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.e2e.cast import KEYS
from tests.e2e.sse import Stream
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e


def ending(stream: Stream) -> tuple[str, dict[str, Any], str]:
    """(code of the error, its data, status): read to the end, whose order is checked."""
    stream.rest()
    assert stream.types[-3:] == ["error", "metadata", "complete"]
    error = stream.frames[-3].data
    return error["code"], error, stream.frames[-1].data["status"]


@pytest.mark.req("OV-65", "OV-20")
@pytest.mark.parametrize("model", ["unreachable", "status-500", "status-429"])
def test_a_model_that_is_away_is_said_in_the_stream(stack: Stack, model: str) -> None:
    stream = stack.ask("Hello", model=model)
    code, error, status = ending(stream)
    assert (stream.status, code, error["retryable"], status) == (
        200,
        "llm_unavailable",
        True,
        "failed",
    )
    assert stack.wait_for_end(stream.run_id)["error_code"] == "llm_unavailable"


@pytest.mark.req("OV-65")
def test_it_is_asked_three_times_before_that(stack: Stack) -> None:
    stack.ask("Hello", model="status-500").rest()
    assert len(stack.models.requests("status-500")) == 3


@pytest.mark.req("OV-65", "OV-27")
def test_as_json_it_is_a_502(stack: Stack) -> None:
    answer = stack.ask("Hello", model="unreachable", stream=False)
    problem = answer.json()
    assert (answer.status, problem["code"]) == (502, "llm_unavailable")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["details"]["run_id"]


@pytest.mark.req("IN-31", "OV-65")
def test_a_model_that_failed_again_and_again_is_left_alone(stack: Stack) -> None:
    for _ in range(2):
        stack.ask("Hello", model="status-500").rest()
    assert len(stack.models.requests("status-500")) == 5

    code, error, status = ending(stack.ask("Hello", model="echo"))
    assert (code, error["retryable"], status) == ("llm_unavailable", True, "failed")
    assert stack.models.requests("echo") == []
    begun = stack.post(
        "/orchestrate", {"intent": "agent.ask", "inputs": {"prompt": "x"}, "async": True}
    )
    job_id = begun.json()["job_id"]
    stack.wait_for_end(job_id.removeprefix("job_"))
    assert stack.get(f"/jobs/{job_id}").json()["error"]["code"] == "circuit_open"
    # Another provider is another circuit.
    assert ending(stack.ask("Hello", model="unreachable"))[0] == "llm_unavailable"


@pytest.mark.req("OV-65")
def test_a_wrong_key_is_not_retried_and_shown_nowhere(stack: Stack) -> None:
    refusal = {"message": f"Incorrect API key provided: {KEYS['OPENAI_API_KEY']}"}
    stack.models.script("scripted", {"status": 401, "error": refusal})
    stream = stack.ask("Hello", model="scripted")
    code, error, status = ending(stream)
    assert (code, error["retryable"], status) == ("llm_auth_failed", False, "failed")
    (asked,) = stack.models.requests("scripted")
    assert asked["headers"]["authorization"] == f"Bearer {KEYS['OPENAI_API_KEY']}"
    shown = "".join(str(frame.body) for frame in stream.frames)
    stored = str(stack.events(stream.run_id)) + str(stack.run(stream.run_id))
    assert KEYS["OPENAI_API_KEY"] not in shown + stored + stack.logs()


@pytest.mark.req("OV-65")
def test_another_model_takes_over_before_the_first_output(stack: Stack) -> None:
    stream = stack.ask("Hello", model="falls-back")
    stream.rest()
    assert stream.frames[-1].data["status"] == "succeeded"
    assert stream.text == "Here is what "
    assert "text-3" in stream.frames[-2].data["model"]
    assert stream.frames[-2].data["warnings"]


@pytest.mark.req("OV-65")
@pytest.mark.parametrize("model", ["cut-3"])
def test_after_the_first_output_nothing_is_said_again(stack: Stack, model: str) -> None:
    stream = stack.ask("Hello", model=model)
    code, _, status = ending(stream)
    assert (code, status) == ("llm_unavailable", "failed")
    assert stream.text == "Here is what "
    assert len(stack.models.requests(model)) == 1


@pytest.mark.req("OV-20")
def test_an_unreadable_chunk_is_passed_over(stack: Stack) -> None:
    stream = stack.ask("Hello", model="odd-2")
    stream.rest()
    assert stream.frames[-1].data["status"] == "succeeded"
    assert stream.text == "Here is what I "


@pytest.mark.req("OV-19", "OV-18")
def test_open_reasoning_is_closed_before_the_error(stack: Stack) -> None:
    thoughts = {"reasoning": ["Let me ", "see ", "now"], "cut_after": 2, "delay_ms": 80}
    stack.models.script("scripted", thoughts)
    stream = stack.ask("Hello", model="scripted")
    code, _, _ = ending(stream)
    assert code == "llm_unavailable"
    assert stream.types[-4] == "reasoning_done"
    assert stream.frames[-4].data["text"] == "Let me see "


@pytest.mark.req("OV-16")
def test_headers_come_before_a_slow_model_speaks(stack: Stack) -> None:
    stack.models.script("scripted", {"text": "At last.", "held_after": [0]})
    stream = stack.ask("Hello", model="scripted")
    first = stream.next()
    assert first is not None
    assert first.type == "metadata"
    stack.models.release("scripted")
    stream.rest()
    assert stream.text == "At last."


@pytest.mark.req("OV-20")
def test_characters_that_no_store_takes_are_left_out(stack: Stack) -> None:
    stack.models.script("scripted", {"text": ["nul \u0000 here", " and on"]})
    bad = stack.ask("Hello", model="scripted")
    good = stack.ask("count", model="held-4")
    bad.rest()
    stack.models.release("held-4")
    good.rest()
    assert bad.text == "nul  here and on"
    assert [s.frames[-1].data["status"] for s in (bad, good)] == ["succeeded"] * 2


@pytest.mark.req("OV-20", "OV-05")
def test_a_tool_that_does_not_exist_is_told_to_the_model(stack: Stack) -> None:
    stack.models.script(
        "scripted",
        {"tool_calls": [{"name": "no_such_tool", "arguments": {}}]},
        {"text": "Sorry."},
    )
    stream = stack.ask("Hello", model="scripted")
    stream.rest()
    assert stream.text == "Sorry."
    done = next(f for f in stream.frames if f.type == "tool_call_completed")
    assert done.data["ok"] is False


@pytest.mark.req("OV-25")
def test_a_loop_of_tools_ends(stack: Stack) -> None:
    again = [
        {"tool_calls": [{"name": "test_read", "arguments": {"line": str(n)}, "id": f"c{n}"}]}
        for n in range(30)
    ]
    stack.models.script("scripted", *again)
    code, _, status = ending(stack.ask("Hello", model="scripted"))
    assert (code, status) == ("max_turns_exceeded", "failed")
    assert len(stack.models.requests("scripted")) == 24


@pytest.mark.req("OV-37")
def test_the_session_remembers_for_the_model(stack: Stack) -> None:
    for prompt in ("first", "second"):
        stack.ask(prompt, model="echo", session="remembered").rest()
    said = [
        m for m in stack.models.requests("echo")[-1]["body"]["messages"] if m["role"] != "system"
    ]
    assert [(m["role"], m["content"]) for m in said] == [
        ("user", "first"),
        ("assistant", "Echo: first"),
        ("user", "second"),
    ]
    assert all(a["role"] != b["role"] for a, b in pairwise(said))


@pytest.mark.req("OV-39")
def test_a_model_that_finds_the_context_too_long_is_asked_once_more_with_less(
    stack: Stack,
) -> None:
    refusal = {"code": "context_length_exceeded", "message": "too long"}
    stack.models.script("scripted", {"status": 400, "error": refusal}, {"text": "Fine."})
    history = [
        {"role": role, "content": f"{n} " + "x" * 2_000}
        for n in range(8)
        for role in ("user", "assistant")
    ]

    stream = stack.ask("Hello", model="scripted", history=history)
    stream.rest()

    assert stream.text == "Fine."
    whole, less = stack.models.requests("scripted")
    assert len(str(less)) < 0.6 * len(str(whole))
    assert less["body"]["messages"][-1]["content"] == "Hello"
    (warning,) = stream.frames[-2].data["warnings"]
    assert warning.startswith("Left out for the context window of ")
