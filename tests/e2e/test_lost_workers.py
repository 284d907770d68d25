"""Workers that are killed, stopped or absent; what becomes of their runs and of their effects."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.e2e.cast import death_file, effects_file
from tests.e2e.sse import Stream
from tests.e2e.stack import Shape, Stack, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def shape() -> Shape:
    return Shape(workers=2)


@pytest.fixture(autouse=True)
def _no_effects_yet(stack: Stack) -> None:
    effects_file(stack.place).unlink(missing_ok=True)


def effects(stack: Stack) -> list[str]:
    file = effects_file(stack.place)
    return file.read_text().splitlines() if file.exists() else []


def write_call(tool: str = "test_write") -> dict[str, Any]:
    return {"tool_calls": [{"name": tool, "arguments": {"line": "done"}, "id": "call_write"}]}


def question_of(stack: Stack, run_id: str) -> dict[str, Any]:
    """What the run waits for."""
    (question,) = stack.get(f"/api/taskmapr/runs/{run_id}").json()["waits_for"]
    return dict(question)


def decide(stack: Stack, question: dict[str, Any], decision: str) -> None:
    path = f"/api/taskmapr/approvals/{question['approval_id']}"
    assert stack.post(path, {"decision": decision}).status == 200


@pytest.mark.req("OV-65", "OV-24")
def test_killed_in_mid_answer_its_run_ends_as_lost(stack: Stack) -> None:
    stream = stack.ask("count", model="bench-200x50", session="lost")
    stream.read_texts(3)
    stack.holder(stream.run_id).kill()
    stream.rest()
    assert stream.types[-3:] == ["error", "metadata", "complete"]
    assert stream.frames[-3].data["code"] == "worker_lost"
    assert stream.frames[-1].data["status"] == "failed"
    whole = stack.resume(stream.run_id, None).rest()
    assert [f.body for f in whole] == [f.body for f in stream.frames if f.id]

    following = stack.ask("again", model="text-5", session="lost")
    following.rest()
    assert following.frames[-1].data["status"] == "succeeded"


@pytest.mark.req("OV-65")
def test_killed_before_any_text_another_worker_answers(stack: Stack) -> None:
    stack.models.script("scripted", {"text": "Never.", "first_byte_ms": 60_000}, {"text": "Whole."})
    stream = stack.ask("Hello", model="scripted")
    wait_until(lambda: len(stack.models.requests("scripted")) == 1)
    stack.holder(stream.run_id).kill()
    stream.rest()
    assert stream.text == "Whole."
    assert stream.frames[-1].data["status"] == "succeeded"
    assert "run.retrying" in stack.kinds(stream.run_id)
    assert stack.run(stream.run_id)["attempt"] == 2


@pytest.mark.req("OV-65")
def test_two_steps_done_are_not_done_again(stack: Stack) -> None:
    """The next worker goes on after the last finished step: one effect, from its receipt."""
    stack.models.script("scripted", write_call(), {"text": "x", "first_byte_ms": 60_000})
    stream = stack.ask("write", model="scripted")
    wait_until(lambda: len(stack.models.requests("scripted")) == 2)
    stack.models.script("scripted", {"text": "Written."})
    stack.holder(stream.run_id).kill()
    stream.rest()
    assert stream.text == "Written."
    assert effects(stack) == ["done"]
    last = stack.models.requests("scripted")[-1]["body"]["messages"]
    assert [m["role"] for m in last[-3:]] == ["user", "assistant", "tool"]


@pytest.mark.parametrize(
    ("moment", "decision", "expected"),
    [
        ("after", "happened", ["done"]),
        ("after", "not_happened", ["done", "done"]),
        ("before", "happened", []),
        ("before", "not_happened", ["done"]),
    ],
)
@pytest.mark.req("OV-65")
def test_an_effect_of_unknown_outcome_is_asked_about(
    stack: Stack, moment: str, decision: str, expected: list[str]
) -> None:
    """Only a person can say whether it happened; the machine saw nothing in either case."""
    stream = _dies_in_its_effect(stack, moment)
    question = question_of(stack, stream.run_id)
    assert (question["asks"], question["tool"]) == ("outcome", "test.write")
    assert len(effects(stack)) == (1 if moment == "after" else 0)

    decide(stack, question, decision)
    stream.rest()
    assert stream.frames[-1].data["status"] == "succeeded"
    assert stream.text == "Finished."
    assert effects(stack) == expected
    calls = [f for f in stream.frames if f.type == "tool_call_completed"]
    assert [f.data["ok"] for f in calls] == [True]


@pytest.mark.req("OV-65")
def test_each_unknown_outcome_is_asked_about_anew(stack: Stack) -> None:
    stream = _dies_in_its_effect(stack, "after")
    first = question_of(stack, stream.run_id)
    death_file(stack.place, "after").touch()
    decide(stack, first, "not_happened")
    wait_until(lambda: not death_file(stack.place, "after").exists())
    stack.start()
    wait_until(lambda: stack.run(stream.run_id)["status"] == "paused", timeout_s=30)
    second = question_of(stack, stream.run_id)
    assert second["approval_id"] != first["approval_id"]
    assert effects(stack) == ["done", "done"]
    decide(stack, second, "happened")
    stream.rest()
    assert stream.frames[-1].data["status"] == "succeeded"
    assert effects(stack) == ["done", "done"]


def _dies_in_its_effect(stack: Stack, moment: str) -> Stream:
    stack.models.script("scripted", write_call(), {"text": "Finished."})
    death_file(stack.place, moment).touch()
    stream = stack.ask("write", model="scripted")
    wait_until(lambda: not death_file(stack.place, moment).exists())
    stack.wait_for_status(stream.run_id, "paused")
    return stream


@pytest.mark.req("OV-65")
def test_asked_to_stop_it_lets_a_short_run_end(stack: Stack) -> None:
    stream = stack.ask("count", model="bench-20x50")
    stream.read_texts(1)
    holder = stack.holder(stream.run_id)
    holder.signal(signal.SIGTERM)
    stream.rest()
    assert stream.frames[-1].data["status"] == "succeeded"
    assert holder.wait() == 0


@pytest.mark.req("OV-65")
def test_asked_to_stop_it_leaves_a_long_run_to_another(stack: Stack) -> None:
    stack.models.script("scripted", {"text": "Never.", "first_byte_ms": 60_000}, {"text": "Whole."})
    stream = stack.ask("Hello", model="scripted")
    wait_until(lambda: len(stack.models.requests("scripted")) == 1)
    holder = stack.holder(stream.run_id)
    holder.signal(signal.SIGTERM)
    assert holder.wait() == 0
    assert holder not in [w for w in stack.workers if w.is_running]
    stream.rest()
    assert stream.text == "Whole."
    assert stack.wait_for_end(stream.run_id)["lease_owner"] == ""


@pytest.mark.req("OV-65")
def test_a_worker_that_stood_still_does_not_write_on(stack: Stack) -> None:
    """Fenced off: what it wanted to say is in neither store."""
    stream = stack.ask("count", model="bench-200x50")
    stream.read_texts(2)
    holder = stack.holder(stream.run_id)
    holder.signal(signal.SIGSTOP)
    stream.rest()
    assert stream.frames[-1].data["status"] == "failed"
    before = stack.events(stream.run_id)
    with stack.redis() as client:
        live = client.xlen(f"tm:log:{stream.run_id}")
        holder.signal(signal.SIGCONT)
        wait_until(lambda: f"run {stream.run_id}: " in holder.log.read_text(), timeout_s=10)
        following = stack.ask("again", model="text-5")
        following.rest()
        assert client.xlen(f"tm:log:{stream.run_id}") == live
    assert stack.events(stream.run_id) == before


@pytest.mark.req("OV-64", "OV-01")
def test_a_run_that_waits_for_a_person_needs_no_worker(stack: Stack) -> None:
    stack.models.script("scripted", write_call("test_permitted_write"), {"text": "Finished."})
    asking = stack.ask("write", model="scripted")
    stack.wait_for_status(asking.run_id, "paused")
    asking.cut()
    for worker in stack.workers:
        worker.kill()
    stream = stack.resume(asking.run_id, None)
    beats = 0
    while beats < 9:  # longer than a queued run would be allowed to wait
        stream.until("heartbeat")
        beats += 1
    assert stack.run(stream.run_id)["status"] == "paused"
    stack.start()
    decide(stack, question_of(stack, stream.run_id), "approved")
    stream.rest()
    assert (stream.text, effects(stack)) == ("Finished.", ["done"])


@pytest.mark.req("OV-64")
def test_without_any_worker_the_run_fails_and_says_so(stack: Stack) -> None:
    for worker in stack.workers:
        worker.kill()
    stream = stack.ask("Hello", model="echo")
    unread = stack.ask("Hello", model="echo", profile="patient")
    unread.next()
    unread.cut()
    stream.rest()
    assert stream.types == ["metadata", "error", "metadata", "complete"]
    assert stream.frames[-3].data["code"] == "no_worker"
    assert stream.frames[-1].data["status"] == "failed"
    stack.start()
    assert stack.wait_for_end(unread.run_id)["status"] in {"failed", "succeeded"}
