"""Workers that are killed, stopped or absent; what becomes of their runs and of their effects."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.cast import effects_file, order_file
from tests.e2e.sse import Stream
from tests.e2e.stack import Shape, Stack, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def shape() -> Shape:
    """With time to release an answer after its worker was asked to stop, and little without
    any worker."""
    env = {"TASKMAPR_DRAIN_S": "5", "TASKMAPR_NO_WORKER_AFTER_S": "10"}
    return Shape(workers=2, env=env)


def effects(stack: Stack, line: str) -> int:
    """How often this line was written."""
    file = effects_file(stack.place)
    return file.read_text().splitlines().count(line) if file.exists() else 0


def write_call(line: str, tool: str = "test_write") -> dict[str, Any]:
    return {"tool_calls": [{"name": tool, "arguments": {"line": line}, "id": "call_write"}]}


def question_of(stack: Stack, run_id: str) -> dict[str, Any]:
    """What the run waits for."""
    (question,) = stack.get(f"/api/taskmapr/runs/{run_id}").json()["waits_for"]
    return dict(question)


def decide(stack: Stack, question: dict[str, Any], decision: str) -> None:
    path = f"/api/taskmapr/approvals/{question['approval_id']}"
    assert stack.post(path, {"decision": decision}).status == 200


#: Runs that stand still beside their effect, by the line they write: before or after it, what a
#: person says of it, and how often the line is there in the end.
IN_DOUBT = {
    "after-yes": ("after", "happened", 1),
    "after-no": ("after", "not_happened", 2),
    "before-yes": ("before", "happened", 0),
    "before-no": ("before", "not_happened", 1),
}
AGAIN = "again"


@dataclass(frozen=True)
class Lost:
    """Runs whose workers were killed at one stroke, each at another point of its way."""

    #: Read to their ends.
    mid_answer: Stream
    two_steps_done: Stream
    #: By the line they write.
    in_doubt: dict[str, str]


@pytest.fixture(scope="module")
def lost(module_stack: Stack) -> Lost:
    stack = module_stack
    stack.start()
    stack.models.reset()
    stands = {line: moment for line, (moment, _, _) in IN_DOUBT.items()} | {AGAIN: "after"}
    # Kept open: what nobody reads is cancelled.
    streams = {line: _stands_still(stack, moment, line) for line, moment in stands.items()}
    slow = {"text": "x", "first_byte_ms": 60_000}
    stack.models.script("scripted-2", write_call("two-steps"), slow, {"text": "Written."})
    two_steps = stack.ask("write", model="scripted-2")
    wait_until(lambda: len(stack.models.requests("scripted-2")) == 2)
    mid_answer = stack.ask("count", model="held-4", session="lost")
    mid_answer.read_words(4)

    for worker in stack.workers:
        worker.kill()
    stack.start()

    mid_answer.rest()
    two_steps.rest()
    asked = stack.models.requests("scripted-2")[-1]["body"]["messages"]
    assert [m["role"] for m in asked[-3:]] == ["user", "assistant", "tool"]
    for stream in streams.values():
        stack.wait_for_status(stream.run_id, "paused")
        stream.cut()
    return Lost(mid_answer, two_steps, {line: s.run_id for line, s in streams.items()})


def _stands_still(stack: Stack, moment: str, line: str) -> Stream:
    stack.models.script("scripted", write_call(line))
    order = order_file(stack.place, moment, line)
    order.touch()
    stream = stack.ask("write", model="scripted")
    wait_until(lambda: not order.exists())
    return stream


@pytest.mark.req("OV-65", "OV-24")
def test_killed_in_mid_answer_its_run_ends_as_lost(stack: Stack, lost: Lost) -> None:
    stream = lost.mid_answer
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
    stack.revive()
    stream.rest()
    assert stream.text == "Whole."
    assert stream.frames[-1].data["status"] == "succeeded"
    assert "run.retrying" in stack.kinds(stream.run_id)
    assert stack.run(stream.run_id)["attempt"] == 2


@pytest.mark.req("OV-65")
def test_two_steps_done_are_not_done_again(stack: Stack, lost: Lost) -> None:
    """The next worker goes on after the last finished step: one effect, from its receipt."""
    assert lost.two_steps_done.text == "Written."
    assert effects(stack, "two-steps") == 1


@pytest.mark.parametrize("line", IN_DOUBT)
@pytest.mark.req("OV-65")
def test_an_effect_of_unknown_outcome_is_asked_about(stack: Stack, lost: Lost, line: str) -> None:
    """Only a person can say whether it happened; the machine saw nothing in either case."""
    moment, decision, expected = IN_DOUBT[line]
    stack.models.script("scripted", {"text": "Finished."})
    stream = stack.resume(lost.in_doubt[line], None)
    question = question_of(stack, stream.run_id)
    assert (question["asks"], question["tool"]) == ("outcome", "test.write")
    assert effects(stack, line) == (1 if moment == "after" else 0)

    decide(stack, question, decision)
    stream.rest()
    assert stream.frames[-1].data["status"] == "succeeded"
    assert stream.text == "Finished."
    assert effects(stack, line) == expected
    calls = [f for f in stream.frames if f.type == "tool_call_completed"]
    assert [f.data["ok"] for f in calls] == [True]


@pytest.mark.req("OV-65")
def test_each_unknown_outcome_is_asked_about_anew(stack: Stack, lost: Lost) -> None:
    stack.models.script("scripted", {"text": "Finished."})
    stream = stack.resume(lost.in_doubt[AGAIN], None)
    first = question_of(stack, stream.run_id)
    order = order_file(stack.place, "after", AGAIN)
    order.touch()
    decide(stack, first, "not_happened")
    wait_until(lambda: not order.exists())
    stack.holder(stream.run_id).kill()
    stack.revive()
    stack.wait_for_status(stream.run_id, "paused")
    second = question_of(stack, stream.run_id)
    assert second["approval_id"] != first["approval_id"]
    assert effects(stack, AGAIN) == 2
    decide(stack, second, "happened")
    stream.rest()
    assert stream.frames[-1].data["status"] == "succeeded"
    assert effects(stack, AGAIN) == 2


@pytest.mark.req("OV-65")
def test_asked_to_stop_it_lets_a_short_run_end(stack: Stack) -> None:
    stream = stack.ask("count", model="held-4")
    stream.read_texts(1)
    holder = stack.holder(stream.run_id)
    holder.signal(signal.SIGTERM)
    wait_until(lambda: "stopping: 1 runs get " in holder.log.read_text())
    stack.models.release("held-4")
    stream.rest()
    assert stream.frames[-1].data["status"] == "succeeded"
    assert holder.wait() == 0
    stack.revive()


@pytest.mark.req("OV-65")
def test_asked_to_stop_it_leaves_a_long_run_to_another(stack: Stack) -> None:
    stack.models.script("scripted", {"text": "Never.", "first_byte_ms": 60_000}, {"text": "Whole."})
    stream = stack.ask("Hello", model="scripted")
    wait_until(lambda: len(stack.models.requests("scripted")) == 1)
    holder = stack.holder(stream.run_id)
    holder.signal(signal.SIGTERM)
    assert holder.wait() == 0
    stack.revive()
    stream.rest()
    assert stream.text == "Whole."
    assert stack.wait_for_end(stream.run_id)["lease_owner"] == ""


@pytest.mark.req("OV-65")
def test_a_worker_that_stood_still_does_not_write_on(stack: Stack) -> None:
    """Fenced off: what it wanted to say is in neither store."""
    stream = stack.ask("count", model="held-4")
    stream.read_words(4)
    holder = stack.holder(stream.run_id)
    holder.signal(signal.SIGSTOP)
    stack.models.release("held-4")
    stream.rest()
    assert stream.frames[-1].data["status"] == "failed"
    before = stack.events(stream.run_id)
    with stack.redis() as client:
        live = client.xlen(f"tm:log:{stream.run_id}")
        holder.signal(signal.SIGCONT)
        wait_until(lambda: f"run {stream.run_id}: " in holder.log.read_text())
        following = stack.ask("again", model="text-5")
        following.rest()
        assert client.xlen(f"tm:log:{stream.run_id}") == live
    assert stack.events(stream.run_id) == before


@pytest.mark.req("OV-64", "OV-01")
def test_without_any_worker_a_run_fails_and_one_that_waits_for_a_person_waits_on(
    stack: Stack,
) -> None:
    stack.models.script(
        "scripted", write_call("permitted", "test_permitted_write"), {"text": "Finished."}
    )
    asking = stack.ask("write", model="scripted")
    stack.wait_for_status(asking.run_id, "paused")
    asking.cut()
    for worker in stack.workers:
        worker.kill()
    waiting = stack.resume(asking.run_id, None)
    stream = stack.ask("Hello", model="echo")
    unread = stack.ask("Hello", model="echo", profile="patient")
    unread.next()
    unread.cut()

    stream.rest()
    assert stream.types == ["metadata", "error", "metadata", "complete"]
    assert stream.frames[-3].data["code"] == "no_worker"
    assert stream.frames[-1].data["status"] == "failed"
    # Whoever ended that run has looked at the older one too, and looks again every second.
    for _ in range(2):
        waiting.until("heartbeat")
    assert stack.run(waiting.run_id)["status"] == "paused"

    stack.start()
    assert stack.wait_for_end(unread.run_id)["status"] in {"failed", "succeeded"}
    decide(stack, question_of(stack, waiting.run_id), "approved")
    waiting.rest()
    assert (waiting.text, effects(stack, "permitted")) == ("Finished.", 1)
