"""`/ws/task/{task_id}`: what a follower hears, from whichever event on."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from orchestration.models import Run
from taskmapr.core import events as ev
from taskmapr.core.errors import TaskFailed
from taskmapr.foundation.aio import in_database
from taskmapr.users.models import User
from taskmapr.users.services.sign_ins import tokens_issue
from tests.sockets.conftest import Client, connected, ends, happens, key_of, task_of

pytestmark = pytest.mark.django_db


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


def steps(first: int, last: int) -> list[Any]:
    """What `test_task` says in these steps of three."""
    said: list[Any] = []
    for step in range(first, last + 1):
        text = f"step {step} of 3"
        said += [ev.LogWritten(level="info", text=text)]
        said += [ev.ProgressMade(fraction=step / 3, text=text)]
    return said


BEGUN = ev.RunStarted(attempt=1, worker="w1")


async def hear(client: Client, count: int) -> list[dict[str, Any]]:
    return [await client.hear() for _ in range(count)]


@pytest.mark.req("TQ-25", "TQ-S5")
async def test_a_whole_task_is_told_in_order(task: UUID, key: str) -> None:
    async with connected(f"/ws/task/{task}", x_api_key=key) as client:
        first = await client.hear()
        await happens(task, BEGUN, *steps(1, 3))
        await ends(task, ev.ResultGiven(value={"echo": {}, "message": "Test task completed"}))
        messages, code = await client.hear_all()

    assert first["type"] == "snapshot"
    assert first["status"] == "assigned"
    assert first["data"]["task_type"] == "test_task"
    assert first["data"]["logs"] == []
    assert kinds(messages) == [
        "status",
        *("log", "progress") * 3,
        *("status", "result"),
    ]
    assert [m["data"]["percent"] for m in messages if m["type"] == "progress"] == [33, 66, 100]
    assert messages[0]["data"] == {"state": "STARTED", "attempt": 1}
    assert messages[0]["status"] == "running"
    assert messages[-2]["data"] == {"state": "SUCCESS", "attempt": 1}
    assert messages[-1]["data"]["result"]["message"] == "Test task completed"
    assert [line["message"] for line in messages[-1]["data"]["logs"]] == [
        "step 1 of 3",
        "step 2 of 3",
        "step 3 of 3",
    ]
    assert code == 1000
    seqs = [m["seq"] for m in [first, *messages]]
    assert seqs == sorted(seqs)
    assert seqs[-1] == seqs[-2]
    assert {m["task_id"] for m in messages} == {str(task)}
    assert all(m["timestamp"].endswith("Z") for m in messages)


@pytest.mark.req("TQ-26")
async def test_who_comes_late_hears_everything(task: UUID, key: str) -> None:
    await happens(task, BEGUN, *steps(1, 2))
    async with connected(f"/ws/task/{task}", x_api_key=key) as client:
        messages = await hear(client, 6)

    assert kinds(messages) == ["snapshot", "status", *("log", "progress") * 2]
    assert [m["seq"] for m in messages] == [1, 2, 3, 4, 5, 6]


@pytest.mark.req("TQ-26", "TQ-S5")
async def test_who_comes_back_hears_nothing_twice(task: UUID, key: str) -> None:
    await happens(task, BEGUN, *steps(1, 1))
    async with connected(f"/ws/task/{task}", x_api_key=key) as client:
        seen = await hear(client, 4)
    await happens(task, *steps(2, 2))
    async with connected(f"/ws/task/{task}?after={seen[-1]['seq']}", x_api_key=key) as client:
        snapshot, *again = await hear(client, 3)
        await ends(task, *steps(3, 3))
        rest, code = await client.hear_all()

    assert snapshot["type"] == "snapshot"
    assert snapshot["seq"] == seen[-1]["seq"]
    assert snapshot["data"]["progress"] == {"percent": 33, "text": "step 1 of 3"}
    told = [(m["type"], m["seq"]) for m in [*seen[1:], *again, *rest]]
    assert len(set(told)) == len(told)
    assert [m["seq"] for m in again + rest[:2]] == [5, 6, 7, 8]
    assert code == 1000


@pytest.mark.req("TQ-26")
@pytest.mark.parametrize("after", ["999", "", "0", "9" * 18])
async def test_odd_cursors_do_no_harm(task: UUID, key: str, after: str) -> None:
    await happens(task, BEGUN)
    async with connected(f"/ws/task/{task}?after={after}", x_api_key=key) as client:
        first = await client.hear()
        await ends(task)
        messages, code = await client.hear_all()

    assert first["type"] == "snapshot"
    assert messages[-1]["type"] == "result"
    assert code == 1000


@pytest.mark.req("TQ-26")
@pytest.mark.parametrize("after", ["x", "-1", "1.5", "9" * 30, "\u0661"])
async def test_a_cursor_that_is_none_is_refused(task: UUID, key: str, after: str) -> None:
    await happens(task, BEGUN)
    async with connected(f"/ws/task/{task}?after={quote(after)}", x_api_key=key) as client:
        (said,), code = await client.hear_all()

    assert (said["type"], said["task_id"]) == ("error", str(task))
    assert (said["data"]["code"], said["data"]["retryable"]) == ("validation_error", False)
    assert code == 4400


@pytest.mark.req("TQ-26", "TQ-24")
async def test_strangers_are_not_told_what_is_wrong_with_a_cursor(task: UUID, cyd_key: str) -> None:
    async with connected(f"/ws/task/{task}?after=x", x_api_key=cyd_key) as client:
        assert await client.closed() == 4404


@pytest.mark.req("TQ-26")
async def test_a_finished_task_is_told_by_its_result(task: UUID, key: str) -> None:
    await happens(task, BEGUN, *steps(1, 3))
    await ends(task, ev.ResultGiven(value=[1]))
    async with connected(f"/ws/task/{task}", x_api_key=key) as client:
        messages, code = await client.hear_all()

    assert kinds(messages) == ["snapshot", "result"]
    assert messages[0]["data"]["status"] == "completed"
    assert messages[0]["data"]["logs"] == []
    assert messages[1]["data"]["result"] == [1]
    assert len(messages[1]["data"]["logs"]) == 3
    assert code == 1000


@pytest.mark.req("TQ-26")
async def test_who_lost_a_finished_task_hears_the_rest(task: UUID, key: str) -> None:
    await happens(task, BEGUN, *steps(1, 3))
    await ends(task)
    async with connected(f"/ws/task/{task}?after=6", x_api_key=key) as client:
        messages, code = await client.hear_all()

    assert kinds(messages) == ["snapshot", *("log", "progress"), "status", "result"]
    assert code == 1000


@pytest.mark.req("TQ-26")
async def test_who_has_heard_everything_still_gets_the_result(task: UUID, key: str) -> None:
    await happens(task, BEGUN)
    await ends(task)
    last = (await in_database(Run.objects.get, pk=task)).last_seq
    async with connected(f"/ws/task/{task}?after={last}", x_api_key=key) as client:
        messages, code = await client.hear_all()

    assert kinds(messages) == ["snapshot", "result"]
    assert code == 1000


@pytest.mark.req("TQ-25")
async def test_a_retry_says_when_and_why(task: UUID, key: str) -> None:
    await happens(task, BEGUN)
    async with connected(f"/ws/task/{task}?after=2", x_api_key=key) as client:
        await client.hear()
        await happens(
            task,
            ev.RunRetrying(attempt=2, reason="unhandled_exception", delay_s=1.5, error="Oh."),
            ev.RunStarted(attempt=2, worker="w1"),
        )
        retry, status = await hear(client, 2)

    assert (retry["type"], retry["status"]) == ("retry", "retrying")
    assert retry["data"] == {"attempt": 2, "delay_s": 1.5, "error": "Oh."}
    assert status["data"] == {"state": "STARTED", "attempt": 2}


@pytest.mark.req("TQ-25")
async def test_a_failure_is_told_before_the_end(task: UUID, key: str) -> None:
    async with connected(f"/ws/task/{task}", x_api_key=key) as client:
        await client.hear()
        await happens(task, BEGUN)
        await ends(task, error=TaskFailed("login_failed", "The site refused the password."))
        messages, code = await client.hear_all()

    assert kinds(messages) == ["status", "error", "status", "result"]
    assert messages[1]["data"]["code"] == "login_failed"
    assert messages[-1]["data"]["error"]["code"] == "login_failed"
    assert messages[-1]["status"] == "failed"
    assert code == 1000


@pytest.mark.req("TQ-25")
@pytest.mark.parametrize(
    "said", ["", "{", "[]", '"ping"', "{}", '{"type":"dance"}', '{"type":"auth"}', "x" * 20_000]
)
async def test_what_is_not_understood_is_answered_and_changes_nothing(
    task: UUID, key: str, said: str
) -> None:
    async with connected(f"/ws/task/{task}", x_api_key=key) as client:
        await client.hear()
        await client.say(said)
        answer = await client.hear()
        await client.say({"type": "ping"})
        pong = await client.hear()

    assert answer["type"] == "error"
    assert answer["data"]["code"] in {"invalid_json", "invalid_request", "payload_too_large"}
    assert pong["type"] == "pong"
    assert pong["seq"] == answer["seq"] == 1


@pytest.mark.req("TQ-25")
async def test_bytes_are_refused_and_change_nothing(task: UUID, key: str) -> None:
    async with connected(f"/ws/task/{task}", x_api_key=key) as client:
        await client.hear()
        await client.say_bytes(b'{"type":"ping"}')
        answer = await client.hear()
        await client.say({"type": "ping"})

        assert (await client.hear())["type"] == "pong"
    assert answer["data"]["code"] == "invalid_request"


@pytest.mark.req("TQ-25", "TQ-17")
async def test_cancels_a_waiting_task(task: UUID, key: str) -> None:
    async with connected(f"/ws/task/{task}", x_api_key=key) as client:
        await client.hear()
        await client.say({"type": "cancel"})
        # Announced on commit, which a test's own transaction never does.
        run = await settled(task)
        assert run.status == "cancelled"


async def settled(task: UUID) -> Run:
    async with asyncio.timeout(10):
        while not (run := await in_database(Run.objects.get, pk=task)).is_final:
            await asyncio.sleep(0.01)
    return run


@pytest.mark.req("TQ-25", "TQ-02")
async def test_a_key_that_only_reads_cancels_nothing(task: UUID, reading_key: str) -> None:
    async with connected(f"/ws/task/{task}", x_api_key=reading_key) as client:
        await client.hear()
        await client.say({"type": "cancel"})
        answer = await client.hear()

    assert answer["data"]["code"] == "scope_missing"
    assert (await in_database(Run.objects.get, pk=task)).status == "queued"


@pytest.mark.req("TQ-25")
async def test_pings_while_nothing_happens(
    task: UUID, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.consumers.task.PING_S", 0.05)
    async with connected(f"/ws/task/{task}", x_api_key=key) as client:
        await client.hear()
        pings = await hear(client, 2)

    assert kinds(pings) == ["ping", "ping"]
    assert pings[0]["status"] == "assigned"


@pytest.mark.req("TQ-24", "TQ-03")
@pytest.mark.parametrize("named", ["abc", "01a1fdac-b3ca-7508-9bd7-20304ad33bee", "..", "%00"])
async def test_what_is_no_task_is_not_found(key: str, named: str) -> None:
    async with connected(f"/ws/task/{named}", x_api_key=key) as client:
        assert await client.closed() == 4404


@pytest.mark.req("TQ-24", "TQ-03", "TQ-S5")
async def test_a_strangers_task_is_not_found(task: UUID, cyd_key: str) -> None:
    async with connected(f"/ws/task/{task}", x_api_key=cyd_key) as client:
        assert await client.closed() == 4404


@pytest.mark.req("TQ-03")
async def test_operators_may_follow_it_with_a_token_of_their_own(task: UUID, root: User) -> None:
    token = (await in_database(tokens_issue, user_id=root.pk)).access_token
    async with connected(f"/ws/task/{task}", authorization=f"Bearer {token}") as client:
        assert (await client.hear())["type"] == "snapshot"


@pytest.mark.req("TQ-03")
async def test_a_key_of_an_operator_reads_what_is_the_operators(task: UUID, root: User) -> None:
    key = await in_database(key_of, root)
    async with connected(f"/ws/task/{task}", x_api_key=key) as client:
        assert await client.closed() == 4404


@pytest.mark.req("TQ-03", "IN-S7")
async def test_a_sealed_run_is_its_owners_alone(ada: User, root: User, ports: Any) -> None:
    job = await in_database(task_of, ada, kind="intent", subject="memory.search")
    token = (await in_database(tokens_issue, user_id=root.pk)).access_token
    async with connected(f"/ws/task/{job}", authorization=f"Bearer {token}") as client:
        assert await client.closed() == 4404

    key = await in_database(key_of, ada, "intents:run")
    async with connected(f"/ws/task/{job}", x_api_key=key) as client:
        assert (await client.hear())["type"] == "snapshot"


async def test_a_chat_is_no_task(ada: Any, key: str) -> None:
    chat = await in_database(task_of, ada, kind="overlay", session_id="s-1", prompt="Hello")
    async with connected(f"/ws/task/{chat}", x_api_key=key) as client:
        assert await client.closed() == 4404


@pytest.mark.req("TQ-22")
async def test_an_erased_task_still_says_how_it_ended(task: UUID, key: str) -> None:
    await happens(task, BEGUN)
    await ends(task)
    run = await in_database(Run.objects.get, pk=task)
    run.content_erased_at = run.finished_at
    await in_database(run.save)
    async with connected(f"/ws/task/{task}", x_api_key=key) as client:
        messages, code = await client.hear_all()

    assert kinds(messages) == ["snapshot", "result"]
    assert messages[1]["data"]["expired"] is True
    assert messages[1]["data"]["status"] == "completed"
    assert code == 1000


@pytest.mark.req("TQ-12", "TQ-25")
async def test_steps_that_are_tasks_are_told_by_lines_and_progress(task: UUID, key: str) -> None:
    """Waiting for one, and going on behind it, changes nothing that is shown."""
    wait = ev.ApprovalRequested(
        approval_id="a",
        asks="question",
        expires_at="2026-01-05T11:00:00Z",
        step={"name": "one", "position": 1, "task_type": "test_task", "task_id": str(task)},
    )
    over = ev.ApprovalResolved(approval_id="a", decision="answered", by="step")
    async with connected(f"/ws/task/{task}", x_api_key=key) as client:
        await client.hear()
        await happens(task, BEGUN, *steps(1, 1), wait, ev.RunPaused(approval_ids=["a"]))
        await happens(task, over, ev.RunResumed(by="step"))
        await happens(task, ev.RunStarted(attempt=2, worker="w2"), *steps(2, 2))
        await ends(task, ev.ResultGiven(value={}))
        messages, code = await client.hear_all()

    assert kinds(messages) == ["status", *("log", "progress") * 2, "status", "result"]
    assert {m["status"] for m in messages} == {"running", "completed"}
    assert messages[-1]["data"]["attempts"] == 1
    assert code == 1000
