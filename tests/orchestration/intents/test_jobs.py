"""GET /jobs and what belongs to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from orchestration.models import Run
from orchestration.selectors import jobs
from taskmapr.core.errors import ToolError
from taskmapr.core.tools import ToolContext, ToolRegistry, tool
from taskmapr.users.models import User
from tests.orchestration.intents.conftest import Call, Worker

SAMPLE = {"param1": "test", "param2": 5}
NO_CALLBACK = {
    "status": "none",
    "attempts": 0,
    "last_status_code": None,
    "next_attempt_at": None,
}


@pytest.mark.req("IN-09", "IN-10", "IN-14")
def test_a_finished_job_tells_everything(orchestrate: Call, call: Call) -> None:
    done = orchestrate("my.operation", SAMPLE, context={"trace_id": "t1"}).json

    job = call("GET", f"/jobs/{done['job_id']}").json

    # Clocks of rows are those of the test's transaction, so their order says nothing here.
    assert all(job.pop(name) for name in ("created_at", "started_at", "completed_at"))
    assert job == {
        "job_id": done["job_id"],
        "status": "success",
        "intent": "my.operation",
        "mode": "agent",
        "mode_reason": "tool my.operation",
        "result": done["result"],
        "error": None,
        "progress": {"percent": 100, "text": None},
        "attempts": 1,
        "callback_url": None,
        "callback": NO_CALLBACK,
        "context": {"trace_id": "t1"},
        "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
        "cost": {"usd_micros": 0},
        "duration_ms": done["duration_ms"],
    }


@pytest.mark.req("IN-05", "IN-09")
def test_a_failed_job_says_why(orchestrate: Call, call: Call, registry: ToolRegistry) -> None:
    @tool("test.broken", into=registry)
    async def broken() -> None:
        """Fail."""
        raise ToolError("out_of_ink", "There is no ink.", 424)

    answer = orchestrate("test.broken")
    job_id = answer.json["job_id"]

    assert (answer.status, answer.json["code"], answer.json["error"]) == (
        424,
        "out_of_ink",
        "There is no ink.",
    )
    assert answer.json["mode"] == "agent"
    assert answer.json["details"]["attempts"] == 1
    assert isinstance(answer.json["duration_ms"], int)
    job = call("GET", f"/jobs/{job_id}").json
    assert (job["status"], job["result"]) == ("error", None)
    assert job["error"] == {"code": "out_of_ink", "message": "There is no ink.", "retryable": False}


@pytest.mark.req("IN-28")
def test_an_unexpected_exception_is_told_without_its_words(
    orchestrate: Call, registry: ToolRegistry
) -> None:
    @tool("test.crash", into=registry)
    def crash() -> None:
        """Crash."""
        raise RuntimeError("the password is 123")

    answer = orchestrate("test.crash")

    assert (answer.status, answer.json["code"], answer.json["error"]) == (
        500,
        "tool_failed",
        "Tool failed",
    )
    assert answer.json["details"]["request_id"]
    assert b"123" not in answer.body


@pytest.mark.req("IN-28", "IN-05")
def test_a_tool_that_takes_too_long_times_out(
    orchestrate: Call, call: Call, registry: ToolRegistry
) -> None:
    @tool("test.endless", into=registry, timeout_s=0.05)
    async def endless() -> None:
        """Wait."""
        await asyncio.Event().wait()

    answer = orchestrate("test.endless")

    assert (answer.status, answer.json["code"]) == (504, "timed_out")
    assert call("GET", f"/jobs/{answer.json['job_id']}").json["status"] == "timeout"


@pytest.mark.req("IN-28")
def test_a_large_answer_is_refused(orchestrate: Call, registry: ToolRegistry) -> None:
    @tool("test.large", into=registry)
    async def large() -> str:
        """Say much."""
        return "x" * (1024 * 1024)

    assert orchestrate("test.large").json["code"] == "tool_failed"


@pytest.mark.req("IN-09")
@pytest.mark.parametrize("end", ["", "/cancel", "/stream", "/redeliver"])
def test_a_foreign_job_is_not_there(orchestrate: Call, call: Call, cyd: User, end: str) -> None:
    job_id = orchestrate("my.operation", SAMPLE).json["job_id"]
    method = "GET" if end in ("", "/stream") else "POST"

    answer = call(method, f"/jobs/{job_id}{end}", user=cyd)

    assert (answer.status, answer.json["code"]) == (404, "job_not_found")


@pytest.mark.req("IN-09")
@pytest.mark.parametrize("name", ["job_x", "job_" + "0" * 32, "0" * 32, "job_" + "0" * 33])
def test_an_unknown_job_is_not_there(call: Call, name: str) -> None:
    answer = call("GET", f"/jobs/{name}")

    assert (answer.status, answer.json["code"]) == (404, "job_not_found")


@pytest.mark.req("IN-11")
def test_jobs_are_listed_page_by_page(orchestrate: Call, call: Call, cyd: User) -> None:
    made = [orchestrate("my.operation", {"param1": str(n)}).json["job_id"] for n in range(3)]
    orchestrate("my.operation", SAMPLE, user=cyd)

    first = call("GET", "/jobs?limit=2&intent=my.operation&status=success").json
    second = call("GET", f"/jobs?limit=2&cursor={first['next_cursor']}").json

    assert [job["job_id"] for job in first["jobs"]] == [made[2], made[1]]
    assert [job["job_id"] for job in second["jobs"]] == [made[0]]
    assert second["next_cursor"] is None
    assert call("GET", "/jobs?status=error").json["jobs"] == []
    assert call("GET", "/jobs?status=nonsense").status == 422
    assert call("GET", "/jobs?limit=0").status == 422
    assert call("GET", "/jobs?cursor=nonsense").status == 422


@pytest.mark.req("IN-11")
def test_a_page_ends_where_it_holds_too_much(
    orchestrate: Call, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [orchestrate("my.operation", {"param1": str(n) * 900}).json["job_id"] for n in range(3)]
    monkeypatch.setattr(jobs, "PAGE_BYTES", 2_000)

    listed, cursor = [], ""
    for _ in made:
        page = call("GET", f"/jobs?limit=3&cursor={cursor}").json
        assert len(page["jobs"]) == 1
        listed += [job["job_id"] for job in page["jobs"]]
        cursor = page["next_cursor"]

    assert (listed, cursor) == (made[::-1], None)


@pytest.mark.req("IN-09")
def test_a_list_costs_no_more_queries_than_a_job(
    orchestrate: Call, call: Call, django_assert_max_num_queries: Any
) -> None:
    for n in range(5):
        orchestrate("my.operation", {"param1": str(n)})

    with django_assert_max_num_queries(6):
        assert len(call("GET", "/jobs").json["jobs"]) == 5


@pytest.mark.req("IN-11", "IN-10")
def test_a_waiting_job_is_cancelled_once(
    orchestrate: Call, call: Call, worker: Worker, settings: Any
) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "sync_timeout_s": 0}
    worker.is_away = True
    job_id = orchestrate("my.operation", SAMPLE).json["job_id"]
    assert call("GET", f"/jobs/{job_id}").json["status"] == "accepted"

    assert call("POST", f"/jobs/{job_id}/cancel").status == 202
    assert call("GET", f"/jobs/{job_id}").json["status"] == "cancelled"
    again = call("POST", f"/jobs/{job_id}/cancel")
    assert (again.status, again.json["code"]) == (409, "already_finished")


@pytest.fixture
def talking(registry: ToolRegistry) -> None:
    @tool("test.talking", into=registry)
    async def talk(ctx: ToolContext) -> dict[str, int]:
        """Say how far it is."""
        ctx.progress(0.4, "12 of 30")
        ctx.log("info", "hello")
        return {"classified": 30}


@pytest.mark.req("IN-12")
@pytest.mark.usefixtures("talking")
def test_a_job_is_followed_from_its_request(orchestrate: Call) -> None:
    answer = orchestrate("test.talking", accept="text/event-stream")

    frames = answer.frames
    assert [frame["type"] for frame in frames] == [
        "metadata",
        "tool_call_started",
        "progress",
        "log",
        "tool_call_completed",
        "complete",
    ]
    run = Run.objects.get()
    job_id = f"job_{run.pk.hex}"
    assert frames[0]["data"]["job_id"] == job_id
    assert frames[0]["data"]["mode"] == "agent"
    assert frames[2]["data"] == {"percent": 40, "text": "12 of 30"}
    complete = frames[-1]["data"]
    assert (complete["status"], complete["result"]) == ("success", {"classified": 30})
    assert answer.headers["X-Job-Id"] == job_id


@pytest.mark.req("IN-12")
@pytest.mark.usefixtures("talking")
def test_a_follower_who_comes_back_misses_nothing(orchestrate: Call, call: Call) -> None:
    whole = orchestrate("test.talking", accept="text/event-stream")
    job_id = f"job_{Run.objects.get().pk.hex}"

    again = call("GET", f"/jobs/{job_id}/stream", Last_Event_ID=whole.ids[1])

    assert again.frames == whole.frames[2:]
    assert call("GET", f"/jobs/{job_id}/stream").frames == whole.frames


@pytest.mark.req("IN-09")
@pytest.mark.usefixtures("talking")
def test_how_far_it_is_stands_in_the_job(
    send: Callable[..., Any], play: Callable[..., Any], registry: ToolRegistry
) -> None:
    gate, told = asyncio.Event(), asyncio.Event()

    @tool("test.half", into=registry)
    async def half(ctx: ToolContext) -> None:
        """Stop half-way."""
        ctx.progress(0.5, "half")
        told.set()
        await gate.wait()

    async def scene() -> Any:
        body = {"intent": "test.half", "inputs": {}, "async": True}
        job_id = (await send("POST", "/orchestrate", body)).json["job_id"]
        await told.wait()
        async with asyncio.timeout(20):
            while True:
                job = (await send("GET", f"/jobs/{job_id}")).json
                if job["progress"]["percent"]:
                    break
                await asyncio.sleep(0.05)
        gate.set()
        return job

    job = play(scene)

    assert (job["status"], job["progress"]) == ("running", {"percent": 50, "text": "half"})
