"""Equal requests and keys of clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.models import IdempotencyKey, Run
from orchestration.models.idempotency_key import KeyKind
from taskmapr.core.errors import ToolError
from taskmapr.core.tools import ToolRegistry, tool
from taskmapr.users.models import User
from tests.orchestration.intents.conftest import Call, Worker

SAMPLE = {"param1": "test", "param2": 5}
SAME = {"param2": 5, "param1": "test"}


@pytest.mark.req("IN-33")
def test_an_equal_request_gets_the_first_answer(orchestrate: Call) -> None:
    first = orchestrate("my.operation", SAMPLE)
    again = orchestrate("my.operation", SAME, mode="agent", context={"trace_id": "t"})

    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.status, again.body) == (200, first.body)
    assert Run.objects.count() == 1


@pytest.mark.req("IN-12", "IN-33")
def test_a_replay_can_be_followed_to_its_result(orchestrate: Call) -> None:
    first = orchestrate("my.operation", SAMPLE)
    again = orchestrate("my.operation", SAME, accept="text/event-stream")

    assert again.headers["Idempotency-Replayed"] == "true"
    complete = again.frames[-1]["data"]
    assert (complete["status"], complete["result"]) == ("success", first.json["result"])


@pytest.mark.req("IN-33")
def test_a_replay_asks_neither_redis_nor_more_than_the_database_must(
    orchestrate: Call, settings: Any, django_assert_max_num_queries: Any
) -> None:
    orchestrate("my.operation", SAMPLE)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    # The account, the key with its job, and the key that opens the job.
    with django_assert_max_num_queries(6):
        again = orchestrate("my.operation", SAME)

    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.req("IN-32")
def test_another_user_begins_anew(orchestrate: Call, cyd: User) -> None:
    first = orchestrate("my.operation", SAMPLE)
    other = orchestrate("my.operation", SAMPLE, user=cyd)

    assert first.json["job_id"] != other.json["job_id"]


@pytest.mark.req("IN-32", "IN-53")
def test_after_its_time_the_request_is_new(orchestrate: Call) -> None:
    first = orchestrate("my.operation", SAMPLE)
    key = IdempotencyKey.objects.get()
    assert key.kind == KeyKind.EQUAL
    assert timedelta(minutes=59) < key.expires_at - timezone.now() <= timedelta(hours=1)
    IdempotencyKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert orchestrate("my.operation", SAMPLE).json["job_id"] != first.json["job_id"]


@pytest.mark.req("IN-34")
def test_no_cache_skips_it(orchestrate: Call) -> None:
    first = orchestrate("my.operation", SAMPLE)
    fresh = orchestrate("my.operation", SAMPLE, cache_control="no-cache")

    assert first.json["job_id"] != fresh.json["job_id"]
    assert orchestrate("my.operation", SAMPLE).json["job_id"] == first.json["job_id"]


@pytest.fixture
def fickle(registry: ToolRegistry) -> dict[str, Any]:
    """A tool whose answers a test chooses: a value, or an error to raise."""
    answers: dict[str, Any] = {"now": {"n": 1}, "calls": 0}

    async def answer() -> Any:
        """Answer."""
        answers["calls"] += 1
        if isinstance(answers["now"], Exception):
            raise answers["now"]
        return answers["now"]

    tool("test.fickle", into=registry)(answer)
    tool("test.volatile", into=registry, volatile=True)(answer)
    return answers


@pytest.mark.req("IN-34")
@pytest.mark.parametrize(
    ("given", "status"),
    [
        (ToolError("no_luck", "Not today.", 409), 409),
        (ToolError("broken", "Broken.", 500), 500),
        (ValueError("secret detail"), 500),
        ({"dry_run": True, "note": "Say so."}, 200),
    ],
)
def test_failures_and_dry_runs_free_the_key(
    orchestrate: Call, fickle: dict[str, Any], given: Any, status: int
) -> None:
    fickle["now"] = given
    first = orchestrate("test.fickle")
    fickle["now"] = {"n": 2}
    again = orchestrate("test.fickle")

    assert (first.status, again.status) == (status, 200)
    assert b"secret detail" not in first.body
    assert again.json["result"] == {"n": 2}
    assert "Idempotency-Replayed" not in again.headers


@pytest.mark.req("IN-34")
def test_volatile_tools_are_asked_again(orchestrate: Call, fickle: dict[str, Any]) -> None:
    orchestrate("test.volatile")
    orchestrate("test.volatile")

    assert fickle["calls"] == 2


@pytest.mark.req("IN-36")
def test_a_key_of_the_client_is_for_one_body(orchestrate: Call) -> None:
    first = orchestrate("my.operation", SAMPLE, idempotency_key="k1")
    same = orchestrate("my.operation", SAME, idempotency_key="k1")
    other = orchestrate("my.operation", {"param1": "x"}, idempotency_key="k1")

    assert same.json == first.json
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    key = IdempotencyKey.objects.get()
    assert timedelta(hours=23) < key.expires_at - timezone.now() <= timedelta(hours=24)


@pytest.mark.req("IN-36")
def test_a_key_of_the_client_is_not_lost_to_a_read_of_another_body(
    orchestrate: Call, fickle: dict[str, Any]
) -> None:
    first = orchestrate("my.operation", SAMPLE, idempotency_key="k1")
    read = orchestrate("test.volatile", idempotency_key="k1")
    same = orchestrate("my.operation", SAMPLE, idempotency_key="k1")

    assert (read.status, read.json["code"]) == (422, "idempotency_key_reused")
    assert fickle["calls"] == 0
    assert same.json == first.json


@pytest.mark.req("IN-36")
@pytest.mark.parametrize("key", ["", "a" * 256, "two words", "umlaut-ü"])
def test_an_odd_key_is_refused(orchestrate: Call, key: str) -> None:
    assert orchestrate("my.operation", SAMPLE, idempotency_key=key).status == 400


@pytest.mark.req("IN-36")
@pytest.mark.parametrize(("status", "calls"), [(409, 1), (500, 2)])
def test_refusals_are_replayed_for_a_key_of_the_client(
    orchestrate: Call, fickle: dict[str, Any], status: int, calls: int
) -> None:
    fickle["now"] = ToolError("no_luck", "Not today.", status, details={"why": "rain"})
    first = orchestrate("test.fickle", idempotency_key="k1")
    again = orchestrate("test.fickle", idempotency_key="k1")

    assert (first.status, again.status, fickle["calls"]) == (status, status, calls)
    assert again.json["code"] == "no_luck"
    assert again.json["details"]["why"] == "rain"
    assert (again.json["job_id"] == first.json["job_id"]) is (calls == 1)


@pytest.mark.req("IN-33", "IN-35")
def test_equal_requests_at_once_run_once(
    send: Callable[..., Any], play: Callable[..., Any], registry: ToolRegistry, worker: Worker
) -> None:
    gate, calls = asyncio.Event(), []

    @tool("test.slow", into=registry)
    async def slow() -> dict[str, int]:
        """Wait."""
        calls.append(1)
        await gate.wait()
        return {"n": len(calls)}

    async def scene() -> list[Any]:
        body = {"intent": "test.slow", "inputs": {}}
        asked = [asyncio.create_task(send("POST", "/orchestrate", body)) for _ in range(12)]
        while not calls:
            await asyncio.sleep(0.01)
        gate.set()
        return await asyncio.gather(*asked)

    answers = play(scene)

    assert {a.status for a in answers} == {200}
    assert len({a.json["job_id"] for a in answers}) == 1
    assert sum("Idempotency-Replayed" not in a.headers for a in answers) == 1
    assert len(calls) == 1


@pytest.mark.req("IN-35")
def test_a_job_that_was_lost_holds_its_key_for_a_minute_at_most(
    orchestrate: Call, worker: Worker, settings: Any
) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "sync_timeout_s": 0}
    worker.is_away = True
    lost = orchestrate("my.operation", SAMPLE).json["job_id"]
    assert orchestrate("my.operation", SAMPLE).json["job_id"] == lost

    Run.objects.update(deadline_at=timezone.now() - timedelta(seconds=30))
    assert orchestrate("my.operation", SAMPLE).json["job_id"] == lost
    Run.objects.update(deadline_at=timezone.now() - timedelta(seconds=61))
    assert orchestrate("my.operation", SAMPLE).json["job_id"] != lost


@pytest.mark.req("IN-33")
def test_a_repeat_attaches_to_the_job_under_way(
    orchestrate: Call, worker: Worker, settings: Any
) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "sync_timeout_s": 0.2}
    worker.is_away = True

    first = orchestrate("my.operation", SAMPLE)
    again = orchestrate("my.operation", SAMPLE)

    assert (first.status, again.status) == (202, 202)
    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Run.objects.count() == 1
