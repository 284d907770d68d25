"""What is answered about an intent's job right after its end was heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from orchestration.models import Command, Run
from orchestration.services.deliveries import deliveries_claim, delivery_register, runs_ended
from taskmapr.core.errors import ToolError
from taskmapr.core.tools import ToolRegistry, tool
from taskmapr.foundation.aio import in_database
from tests.orchestration.told.conftest import SlowStore

Send = Callable[..., Any]
Play = Callable[..., Any]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def counted(registry: ToolRegistry) -> list[int]:
    """Tools that say how often they were called: `test.count`, a volatile one, a failing one."""
    calls: list[int] = []

    @tool("test.count", into=registry)
    async def count() -> int:
        """Count."""
        calls.append(1)
        return len(calls)

    @tool("test.now", into=registry, volatile=True)
    async def now() -> int:
        """Count, every time."""
        calls.append(1)
        return len(calls)

    @tool("test.broken", into=registry)
    async def broken() -> None:
        """Fail."""
        calls.append(1)
        raise ToolError("out_of_ink", "There is no ink.", 424)

    return calls


def scene(
    play: Play, send: Send, worker: SlowStore, method: str, path: str, intent: str = "test.count"
) -> tuple[dict[str, Any], Any]:
    """What an intent was answered, and what a request in the gap behind it is."""

    async def whole() -> Any:
        async with worker.gap():
            done = (await send("POST", "/orchestrate", {"intent": intent, "inputs": {}})).json
            where = path.format(job=done["job_id"], run=done["job_id"][4:])
            return done, await worker.asked(send(method, where))

    done, answer = play(whole)
    return done, answer


@pytest.mark.req("IN-09")
def test_a_job_is_over(play: Play, send: Send, worker: SlowStore) -> None:
    done, job = scene(play, send, worker, "GET", "/jobs/{job}")

    assert (job.json["status"], job.json["result"]) == ("success", done["result"])


@pytest.mark.req("IN-11")
@pytest.mark.parametrize("query", ["", "?status=success", "?status=success&limit=1"])
def test_a_list_has_it_as_over(play: Play, send: Send, worker: SlowStore, query: str) -> None:
    done, listed = scene(play, send, worker, "GET", f"/jobs{query}")

    assert [(j["job_id"], j["status"]) for j in listed.json["jobs"]] == [
        (done["job_id"], "success")
    ]


@pytest.mark.req("IN-11")
def test_a_list_of_those_that_run_is_without_it(play: Play, send: Send, worker: SlowStore) -> None:
    _, listed = scene(play, send, worker, "GET", "/jobs?status=running")

    assert listed.json["jobs"] == []


@pytest.mark.req("OV-24")
def test_its_run_is_over(play: Play, send: Send, worker: SlowStore) -> None:
    _, run = scene(play, send, worker, "GET", "/api/taskmapr/runs/{run}")

    assert run.json["status"] == "succeeded"
    assert run.json["duration_ms"] is not None


@pytest.mark.req("IN-11")
@pytest.mark.parametrize("path", ["/jobs/{job}/cancel", "/api/taskmapr/runs/{run}/cancel"])
def test_nothing_is_left_to_cancel(play: Play, send: Send, worker: SlowStore, path: str) -> None:
    _, answer = scene(play, send, worker, "POST", path)

    assert (answer.status, answer.json["code"]) == (409, "already_finished")
    assert answer.json["details"]["status"] == "succeeded"
    assert not Command.objects.exists()


@pytest.mark.req("IN-32", "IN-33")
def test_an_equal_request_gets_the_same_answer(
    play: Play, send: Send, worker: SlowStore, counted: list[int]
) -> None:
    async def whole() -> Any:
        async with worker.gap():
            body = {"intent": "test.count", "inputs": {}}
            first = await send("POST", "/orchestrate", body)
            return first, await worker.asked(send("POST", "/orchestrate", body))

    first, second = play(whole)

    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.json == first.json
    assert len(counted) == 1


@pytest.mark.req("IN-34")
@pytest.mark.parametrize("intent", ["test.now", "test.broken"])
def test_what_is_not_to_be_repeated_begins_anew(
    play: Play, send: Send, worker: SlowStore, counted: list[int], intent: str
) -> None:
    async def whole() -> Any:
        async with worker.gap():
            body = {"intent": intent, "inputs": {}}
            first = await send("POST", "/orchestrate", body)
            return first, await worker.asked(send("POST", "/orchestrate", body))

    first, second = play(whole)

    assert "Idempotency-Replayed" not in second.headers
    assert second.json["job_id"] != first.json["job_id"]
    assert len(counted) == 2


@pytest.mark.req("IN-12")
@pytest.mark.parametrize(("seen", "ends"), [(0, 1), (2, 1), (-1, 0)])
def test_a_stream_that_is_taken_up_again_tells_its_end_once(
    play: Play, send: Send, worker: SlowStore, seen: int, ends: int
) -> None:
    """seen: how many of the events the reader has; -1: all."""

    async def whole() -> Any:
        async with worker.gap():
            body = {"intent": "test.count", "inputs": {}}
            first = await send("POST", "/orchestrate", body, accept="text/event-stream")
            run_id, _, last = first.ids[-1].rpartition(":")
            cursor = {"last_event_id": f"{run_id}:{last if seen < 0 else seen}"} if seen else {}
            path = f"/jobs/job_{run_id.replace('-', '')}/stream"
            return first, await worker.asked(send("GET", path, **cursor))

    first, again = play(whole)

    assert again.status == 200
    assert [f["type"] for f in again.frames].count("complete") == ends
    missing = [i for i in first.ids if int(i.rpartition(":")[2]) > seen >= 0]
    assert again.ids == missing


@pytest.mark.req("IN-40", "IN-09")
def test_whoever_is_called_back_finds_it_over(play: Play, send: Send, worker: SlowStore) -> None:
    """A callback is sent of what Postgres says, so there is nothing to wait for."""

    async def whole() -> Any:
        async with worker.gap():
            done = (await send("POST", "/orchestrate", {"intent": "test.count", "inputs": {}})).json
            run_id = UUID(done["job_id"][4:])
            await in_database(delivery_register, run_id=run_id, url="https://receiver.example/x")
            await in_database(runs_ended, [run_id])
            in_gap = await in_database(deliveries_claim, 9)
        await worker.rest()
        await in_database(runs_ended, [run_id])
        (held,) = await in_database(deliveries_claim, 9)
        return in_gap, await send("GET", done_path(done)), held.run_id == run_id

    def done_path(done: dict[str, Any]) -> str:
        return f"/jobs/{done['job_id']}"

    in_gap, job, is_this = play(whole)

    assert in_gap == []
    assert (job.json["status"], is_this) == ("success", True)


@pytest.mark.req("IN-37")
def test_a_job_that_is_over_takes_no_place(
    play: Play, send: Send, worker: SlowStore, settings: Any
) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "intent_jobs_at_once": 1}

    async def whole() -> Any:
        async with worker.gap():
            await send("POST", "/orchestrate", {"intent": "test.count", "inputs": {}})
            return await worker.asked(
                send("POST", "/orchestrate", {"intent": "test.now", "inputs": {}})
            )

    assert play(whole).status == 200


@pytest.mark.req("IN-37")
def test_a_job_that_goes_on_takes_its_place(
    play: Play, send: Send, worker: SlowStore, settings: Any, registry: ToolRegistry
) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "intent_jobs_at_once": 1}
    begun, may_end = asyncio.Event(), asyncio.Event()

    @tool("test.long", into=registry)
    async def long() -> None:
        """Wait."""
        begun.set()
        await may_end.wait()

    async def whole() -> Any:
        first = {"intent": "test.long", "inputs": {}, "async": True}
        assert (await send("POST", "/orchestrate", first)).status == 202
        await begun.wait()
        refused = await send("POST", "/orchestrate", {"intent": "test.count", "inputs": {}})
        may_end.set()
        return refused, await in_database(Run.objects.count)

    refused, runs = play(whole)

    assert (refused.status, refused.json["code"], runs) == (429, "rate_limited", 1)
