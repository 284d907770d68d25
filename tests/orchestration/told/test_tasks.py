"""What is answered about a task right after it was heard that it rests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestration.models import Run
from taskmapr.core.task_types import Permanent, TaskContext
from taskmapr.foundation.aio import in_database
from taskmapr.users.models import User
from tests.orchestration.told.conftest import SlowStore, heard
from tests.sockets.conftest import connected, key_of

Send = Callable[..., Any]
Play = Callable[..., Any]

pytestmark = pytest.mark.django_db


def writes(params: dict[str, Any], ctx: TaskContext) -> Any:
    ctx.log("info", "the last line")
    if params.get("fail"):
        raise Permanent("no", "It cannot be done.")
    return {"done": True}


def asks(params: dict[str, Any], ctx: TaskContext) -> Any:
    return ctx.confirmation("May it?", {"n": 1}, wait_s=3600).decision


@pytest.fixture(autouse=True)
def types(of_type: Callable[..., Any]) -> None:
    of_type(writes, name="writes")
    of_type(asks, name="asks")


def scene(
    play: Play, send: Send, worker: SlowStore, method: str, path: str, **order: Any
) -> tuple[str, Any]:
    """The task, and what a request is answered in the gap behind its last word."""

    async def whole() -> Any:
        async with worker.gap():
            ordered = await send("POST", "/assign-task/", {"task_type": "writes", **order})
            task_id = ordered.json["task_id"]
            await heard(task_id)
            return task_id, await worker.asked(send(method, path.format(task=task_id)))

    task_id, answer = play(whole)
    return task_id, answer


@pytest.mark.req("TQ-20")
def test_its_result_is_there(play: Play, send: Send, worker: SlowStore) -> None:
    _, told = scene(play, send, worker, "GET", "/result/{task}")

    assert (told.json["status"], told.json["result"]) == ("completed", {"done": True})
    assert [line["message"] for line in told.json["logs"]] == ["the last line"]


@pytest.mark.req("TQ-43")
@pytest.mark.parametrize("query", ["", "?status=completed"])
def test_a_list_has_it_as_over(play: Play, send: Send, worker: SlowStore, query: str) -> None:
    task_id, listed = scene(play, send, worker, "GET", f"/tasks/runs/{query}")

    assert [(t["task_id"], t["status"]) for t in listed.json["items"]] == [(task_id, "completed")]


@pytest.mark.req("TQ-17")
def test_nothing_is_left_to_cancel(play: Play, send: Send, worker: SlowStore) -> None:
    _, answer = scene(play, send, worker, "POST", "/tasks/{task}/cancel")

    assert (answer.status, answer.json["code"]) == (409, "already_finished")


@pytest.mark.req("TQ-46")
def test_nothing_is_left_to_confirm(play: Play, send: Send, worker: SlowStore) -> None:
    _, answer = scene(play, send, worker, "POST", "/tasks/{task}/confirm")

    assert (answer.status, answer.json["code"]) == (409, "already_finished")


@pytest.mark.req("TQ-44")
def test_one_that_failed_is_assigned_again(play: Play, send: Send, worker: SlowStore) -> None:
    task_id, answer = scene(
        play, send, worker, "POST", "/tasks/{task}/retry", params={"fail": True}
    )

    assert (answer.status, answer.json["details"]) == (200, {"retry_of": task_id})


@pytest.mark.req("TQ-44")
def test_one_whose_new_task_failed_is_assigned_again(
    play: Play, send: Send, worker: SlowStore
) -> None:
    async def whole() -> Any:
        order = {"task_type": "writes", "params": {"fail": True}}
        first = (await send("POST", "/assign-task/", order)).json["task_id"]
        await heard(first)
        await worker.rest()
        async with worker.gap():
            second = (await send("POST", f"/tasks/{first}/retry")).json["task_id"]
            await heard(second)
            third = await worker.asked(send("POST", f"/tasks/{first}/retry"))
        return second, third

    second, third = play(whole)

    assert third.status == 200
    assert third.json["task_id"] != second


@pytest.mark.req("TQ-21")
def test_the_file_of_its_lines_has_the_last_one(play: Play, send: Send, worker: SlowStore) -> None:
    _, file = scene(play, send, worker, "GET", "/static/results/{task}/task.log")

    assert file.status == 200
    assert file.body.endswith(b"the last line\n")


@pytest.mark.req("TQ-26")
def test_a_socket_tells_no_more_than_what_it_came_to(
    play: Play, send: Send, worker: SlowStore, ada: User
) -> None:
    """Nothing of a task that is over is told again, and its result once."""

    async def whole() -> Any:
        async with worker.gap():
            ordered = await send("POST", "/assign-task/", {"task_type": "writes"})
            task_id = ordered.json["task_id"]
            await heard(task_id)
            key = await in_database(key_of, ada)
            async with connected(f"/ws/task/{task_id}", x_api_key=key) as client:
                return await client.hear_all()

    messages, code = play(whole)

    assert [m["type"] for m in messages] == ["snapshot", "result"]
    assert [m["data"]["status"] for m in messages] == ["completed", "completed"]
    assert messages[1]["data"]["result"] == {"done": True}
    assert code == 1000


# A person is asked ---------------------------------------------------------------------------


@pytest.mark.req("TQ-46", "TQ-20")
def test_its_question_is_in_the_result(play: Play, send: Send, worker: SlowStore) -> None:
    _, told = scene(play, send, worker, "GET", "/result/{task}", task_type="asks")

    assert told.json["details"]["confirmation"]["prompt"] == "May it?"
    assert told.json["progress"]["text"] == "waiting for confirmation"


@pytest.mark.req("TQ-46")
def test_its_question_can_be_answered(play: Play, send: Send, worker: SlowStore) -> None:
    task_id, answer = scene(play, send, worker, "POST", "/tasks/{task}/confirm", task_type="asks")

    assert (answer.status, answer.json["status"]) == (200, "confirmed")
    # It goes on: nobody carries it any further in this scene.
    assert Run.objects.get(pk=task_id).status in {"queued", "running", "succeeded"}


@pytest.mark.req("TQ-17")
def test_one_that_is_about_to_wait_is_cancelled(play: Play, send: Send, worker: SlowStore) -> None:
    async def whole() -> Any:
        async with worker.gap():
            ordered = await send("POST", "/assign-task/", {"task_type": "asks"})
            task_id = ordered.json["task_id"]
            assert await heard(task_id) == "run.paused"
            answer = await worker.asked(send("POST", f"/tasks/{task_id}/cancel"))
        await worker.rest()
        return answer, await in_database(Run.objects.get, pk=task_id)

    answer, task = play(whole)

    assert (answer.status, task.status) == (202, "cancelled")
    assert task.reason == "cancelled_by_user"
