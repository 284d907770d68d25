"""Intents with every process real: two web processes, a worker, a workflow engine beside them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from taskmapr.client import AsyncClient, Client, Usage, verify_webhook
from taskmapr.foundation.http.breaker_scripts import circuit_keys
from tests.e2e.cast import ADA, CYD, Person, effects_file
from tests.e2e.scraped import Scraped
from tests.e2e.sse import Stream
from tests.e2e.stack import PATIENCE_S, Shape, Stack, wait_until
from tests.receiver import Receiver, Reply, receiving

pytestmark = pytest.mark.e2e

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
FLOW_S = 4.0
#: Long enough for a cold worker on a busy machine: answers within it are 200.
SYNC_S = 6.0


@pytest.fixture(scope="module")
def engine() -> Iterator[Receiver]:
    """What answers as n8n."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def shape(engine: Receiver) -> Shape:
    return Shape(
        web=2,
        env={
            "ORCHESTRATOR_SYNC_TIMEOUT": str(SYNC_S),
            "ORCHESTRATOR_FLOW_TIMEOUT": str(FLOW_S),
            "N8N_WEBHOOK_BASE": engine.url("/webhook"),
            "N8N_AUTH_TOKEN": "n8n-secret",
            "CALLBACK_ALLOW_HTTP_HOSTS": "127.0.0.1",
            "CALLBACK_ALLOWED_HOSTS": "*,127.0.0.1:*",
            "TASKMAPR_WEBHOOK_SECRET": SECRET,
        },
    )


@pytest.fixture(autouse=True)
def _fresh(engine: Receiver) -> None:
    """The engine has been asked nothing."""
    engine.received.clear()
    engine.replies = [Reply()]


def orchestrate(
    stack: Stack, intent: str, inputs: dict[str, Any], *, user: Person = ADA, **more: Any
) -> Stream:
    passed = {name: more.pop(name) for name in ("web", "headers") if name in more}
    body = {"intent": intent, "inputs": inputs, **more}
    return stack.post("/orchestrate", body, user=user, **passed)


def job(stack: Stack, job_id: str, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = stack.get(f"/jobs/{job_id}", **more).json()
    return told


def job_over(stack: Stack, job_id: str) -> dict[str, Any]:
    stack.wait_for_end(job_id.removeprefix("job_"), timeout_s=PATIENCE_S)
    return job(stack, job_id)


def result_of(stack: Stack, intent: str, inputs: dict[str, Any], **more: Any) -> Any:
    """Also when the worker is cold, and the answer a job."""
    told = orchestrate(stack, intent, inputs, **more).json()
    return job_over(stack, told["job_id"])["result"]


def calls_of(stack: Stack, name: str) -> int:
    file = effects_file(stack.place)
    return file.read_text().splitlines().count(name) if file.exists() else 0


def answering(body: Any, **more: Any) -> Reply:
    return Reply(
        body=json.dumps(body).encode(), headers={"Content-Type": "application/json"}, **more
    )


@pytest.mark.req("IN-S1", "IN-S2", "IN-S3")
def test_what_is_written_is_written_once_and_found(stack: Stack) -> None:
    inputs = {"text": "Hello World", "tags": ["test"]}
    first = orchestrate(stack, "memory.write", inputs, mode="agent")
    told = first.json()
    assert (first.status, told["status"], told["mode"]) == (200, "success", "agent")
    assert told["result"]["status"] == "stored"
    assert told["result"]["item_id"].startswith("mem_")
    assert isinstance(told["duration_ms"], int)

    turned = dict(reversed(inputs.items()))
    again = orchestrate(stack, "memory.write", turned, mode="agent", web=1)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == told
    others = orchestrate(stack, "memory.write", inputs, user=CYD).json()
    assert others["result"]["item_id"] != told["result"]["item_id"]

    found = result_of(stack, "memory.search", {"query": "World"}, web=1)
    assert [item["item_id"] for item in found["items"]] == [told["result"]["item_id"]]
    assert found["mode"] == "hybrid"
    second = result_of(stack, "memory.write", {"text": "Another World"})
    found = result_of(stack, "memory.search", {"query": "World"})
    assert second["item_id"] in [item["item_id"] for item in found["items"]]

    sought = {"query": "greeting"}
    assert result_of(stack, "memory.search", {**sought, "mode": "keyword"})["items"] == []
    nearest, other = result_of(stack, "memory.search", {**sought, "mode": "semantic"})["items"]
    assert (nearest["item_id"], nearest["text"]) == (told["result"]["item_id"], "Hello World")
    assert nearest["semantic_score"] > 0.5 > other["semantic_score"]


@pytest.mark.req("IN-S4", "IN-35")
def test_fifty_equal_requests_at_once_run_once(stack: Stack) -> None:
    def ask(n: int) -> dict[str, Any]:
        answer = orchestrate(stack, "test.slow", {"seconds": 0.5, "name": "fifty"}, web=n % 2)
        return {"status": answer.status, **answer.json()}

    with ThreadPoolExecutor(50) as pool:
        told = list(pool.map(ask, range(50)))

    assert len({answer["job_id"] for answer in told}) == 1
    assert {answer["status"] for answer in told} <= {"success", "accepted"}
    assert job_over(stack, told[0]["job_id"])["status"] == "success"
    assert calls_of(stack, "fifty") == 1


@pytest.mark.req("IN-S4")
def test_a_slow_tool_that_is_asked_for_twice_is_one_job(stack: Stack) -> None:
    inputs = {"name": "twice"}
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda n: orchestrate(stack, "test.held", inputs, web=n), (0, 1)))
    stack.let_go("twice")

    assert [answer.status for answer in answers] == [202, 202]
    (job_id,) = {answer.json()["job_id"] for answer in answers}
    assert job_over(stack, job_id)["result"] == {"name": "twice"}
    assert calls_of(stack, "twice") == 1


@pytest.mark.req("IN-S5")
def test_a_key_of_the_client_is_for_one_body(stack: Stack) -> None:
    key = {"Idempotency-Key": "k1"}
    inputs = {"param1": "a", "param2": 2}
    first = orchestrate(stack, "my.operation", inputs, headers=key)
    other = orchestrate(stack, "my.operation", {**inputs, "param2": 3}, headers=key, web=1)

    assert first.json()["result"]["result"] == "aa"
    assert (other.status, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.req("IN-09", "IN-10")
def test_a_job_that_was_answered_is_over_for_whoever_looks_next(stack: Stack) -> None:
    for n in range(10):
        told = orchestrate(stack, "my.operation", {"param1": "next", "param2": n}).json()
        if told["status"] == "success":
            seen = job(stack, told["job_id"], web=1)
            assert (seen["status"], seen["result"]) == ("success", told["result"])


@pytest.mark.req("IN-S8")
def test_a_workflow_gets_what_it_needs_and_its_answer_is_the_result(
    stack: Stack, engine: Receiver
) -> None:
    engine.replies = [answering({"classified": 3})]
    told = orchestrate(stack, "gmail.triage", {"since": "today"}).json()

    assert (told["status"], told["mode"]) == ("success", "flow")
    assert told["result"] == {"classified": 3}
    (sent,) = engine.received
    assert (sent.method, sent.path) == ("POST", "/webhook/gmail-triage")
    assert sent.headers["x-n8n-auth"] == "n8n-secret"
    assert sent.headers["x-taskmapr-job-id"] == sent.headers["idempotency-key"] == told["job_id"]
    assert json.loads(sent.body)["inputs"] == {"since": "today"}


@pytest.mark.req("IN-S8")
def test_a_slow_workflow_is_a_job_and_one_that_is_too_slow_times_out(
    stack: Stack, engine: Receiver
) -> None:
    slow, never = threading.Event(), threading.Event()
    engine.replies = [answering({"classified": 1}, until=slow), answering({}, until=never)]
    try:
        accepted = orchestrate(stack, "gmail.triage", {"since": "slow"}, **{"async": True})
        assert accepted.status == 202
        told = accepted.json()
        assert accepted.headers["Location"] == told["status_url"]
        job_id = told["job_id"]
        wait_until(lambda: job(stack, job_id)["status"] == "running")
        slow.set()
        assert job_over(stack, job_id)["result"] == {"classified": 1}

        accepted = orchestrate(stack, "gmail.triage", {"since": "never"}, **{"async": True})
        late = job_over(stack, accepted.json()["job_id"])
        assert (late["status"], late["error"]["code"]) == ("timeout", "timed_out")
    finally:
        slow.set()
        never.set()


@pytest.mark.req("IN-S9")
def test_an_engine_that_failed_five_times_is_left_alone(stack: Stack, engine: Receiver) -> None:
    engine.replies = [Reply(status=500)]
    failed = [orchestrate(stack, "gmail.triage", {"n": n}, web=n % 2) for n in range(5)]
    refused = orchestrate(stack, "gmail.triage", {"n": 5})

    assert {(a.status, a.json()["code"]) for a in failed} == {(502, "upstream_error")}
    assert (refused.status, refused.json()["code"]) == (503, "circuit_open")
    assert 5 < int(refused.headers["Retry-After"]) <= 30
    assert len(engine.received) == 5

    half_a_minute_passes(stack, "flow:n8n")
    probe = orchestrate(stack, "gmail.triage", {"n": 6}, web=1)
    assert (probe.status, probe.json()["code"]) == (502, "upstream_error")
    refused = orchestrate(stack, "gmail.triage", {"n": 7})
    assert (refused.status, refused.json()["code"]) == (503, "circuit_open")
    assert len(engine.received) == 6

    engine.replies = [answering({"classified": 1})]
    half_a_minute_passes(stack, "flow:n8n")
    worked = [orchestrate(stack, "gmail.triage", {"n": n}, web=n % 2) for n in (8, 9)]
    assert [answer.status for answer in worked] == [200, 200]
    with stack.redis() as client:
        assert not client.exists(*circuit_keys("flow:n8n"))


def half_a_minute_passes(stack: Stack, service: str) -> None:
    """For a circuit that is open."""
    key = circuit_keys(service)[0]
    with stack.redis() as client:
        client.hincrby(key, "opened_ms", -30_000)


@pytest.mark.req("IN-S18")
def test_a_workflow_may_answer_later_once_and_with_its_token(
    stack: Stack, engine: Receiver
) -> None:
    engine.replies = [answering({"accepted": True})]
    accepted = orchestrate(stack, "gmail.triage", {"since": "later"}, **{"async": True}).json()
    run_id = accepted["job_id"].removeprefix("job_")
    stack.wait_for_status(run_id, "paused")
    address = urlsplit(json.loads(engine.received[0].body)["callback_url"])
    assert address.path == f"/jobs/{accepted['job_id']}/resume"

    wrong = stack.post(f"{address.path}?token=wrong", {"classified": 0})
    right = stack.post(f"{address.path}?{address.query}", {"classified": 9}, web=1)
    second = stack.post(f"{address.path}?{address.query}", {"classified": 0})

    assert [answer.status for answer in (wrong, right, second)] == [403, 200, 403]
    assert job_over(stack, accepted["job_id"])["result"] == {"classified": 9}


@pytest.mark.req("IN-S18")
def test_a_workflow_that_never_answers_is_a_timeout(stack: Stack, engine: Receiver) -> None:
    engine.replies = [answering({"accepted": True})]
    accepted = orchestrate(stack, "gmail.triage", {"since": "never"}, **{"async": True}).json()

    over = job_over(stack, accepted["job_id"])
    assert (over["status"], over["error"]["code"]) == ("timeout", "timed_out")


@pytest.mark.req("IN-S11")
def test_slips_are_told(stack: Stack) -> None:
    unknown = orchestrate(stack, "xyz", {})
    told = unknown.json()
    assert (unknown.status, told["code"]) == (404, "unknown_intent")
    assert told["error"].startswith("Intent 'xyz' not found. Available: [")
    assert "memory.write" in told["details"]["available"]

    refusals = [
        stack.post("/orchestrate", {"intent": "xyz"}),
        orchestrate(stack, "my.operation", {}, mode="foo"),
        orchestrate(stack, "memory.write", {"text": "x"}, mode="flow"),
    ]
    assert [answer.status for answer in refusals] == [422, 422, 422]
    assert refusals[2].json()["code"] == "mode_not_supported"


@pytest.mark.req("IN-S12")
def test_the_end_is_told_signed_until_it_got_through(stack: Stack) -> None:
    with receiving() as receiver:
        receiver.replies = [Reply(status=500), Reply(status=200)]
        url = receiver.url("/told")
        inputs = {"param1": "x", "param2": 1}
        told = orchestrate(stack, "my.operation", inputs, callback_url=url).json()
        wait_until(
            lambda: job(stack, told["job_id"])["callback"]["status"] == "delivered",
            timeout_s=PATIENCE_S,
        )
        first, second = receiver.received

    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    for sent in (first, second):
        body = verify_webhook(dict(sent.headers), sent.body, SECRET)
        assert body["type"] == "job.completed"
        assert body["data"]["job_id"] == told["job_id"]
    over = job(stack, told["job_id"])
    assert (over["status"], over["callback"]["attempts"]) == ("success", 2)


@pytest.mark.req("IN-39")
def test_what_was_done_for_intents_is_in_the_figures(stack: Stack) -> None:
    before = Scraped(stack)
    with receiving() as receiver:
        inputs, url = {"word": "figures"}, receiver.url("/told")
        told = orchestrate(stack, "test.priced", inputs, callback_url=url).json()
        over = job_over(stack, told["job_id"])
        assert over["result"] == inputs
        orchestrate(stack, "test.priced", inputs, web=1)
        wait_until(
            lambda: job(stack, told["job_id"])["callback"]["status"] == "delivered",
            timeout_s=PATIENCE_S,
        )

    def grown(name: str, **labels: str) -> float:
        return Scraped(stack, 1).value(name, **labels) - before.value(name, **labels)

    ended = {"intent": "test.priced", "mode": "agent", "status": "success"}
    wait_until(lambda: grown("intents_total", **ended) == 1)
    assert grown("intent_duration_seconds_count") == 1
    assert grown("tool_cost_total", tool="test.priced", provider="test") == 0.25
    assert grown("idempotent_replays_total") == 1
    wait_until(lambda: grown("callbacks_total", status="delivered") == 1)


def slow_calls(used: Usage) -> int:
    return sum(row.figures.calls for row in used.rows if row.name == "test.slow")


@pytest.mark.req("IN-38", "IN-40", "IN-51")
def test_programs_ask_wait_are_told_and_see_what_they_used(stack: Stack) -> None:
    token = stack.credentials(CYD)["Authorization"].removeprefix("Bearer ")
    with receiving() as receiver, Client(stack.address(), token=token) as client:
        inputs = {"seconds": 0.2, "name": "blocking"}
        job = client.orchestrate(
            "test.slow", inputs, callback_url=receiver.url("/told"), wait=False
        )
        assert job.status == "accepted"
        over = client.wait(job.job_id, timeout_s=PATIENCE_S)
        wait_until(lambda: len(receiver.received) > 0, timeout_s=PATIENCE_S)
        sent = receiver.received[0]

    assert over.value() == {"name": "blocking"}
    told = verify_webhook(dict(sent.headers), sent.body, SECRET)
    assert (told["type"], told["data"]["job_id"]) == ("job.completed", job.job_id)
    assert told["data"]["result"] == over.value()
    used = asyncio.run(used_by_an_asynchronous_program(stack.address(1), token))
    assert slow_calls(used) == 2
    with Client(stack.address(), token=token) as client:
        assert slow_calls(client.usage(group_by="intent")) == 2


async def used_by_an_asynchronous_program(address: str, token: str) -> Usage:
    """It asks as well, then waits until both jobs are in its usage."""
    async with AsyncClient(address, token=token) as client:
        job = await client.orchestrate("test.slow", {"seconds": 0.2, "name": "asynchronous"})
        over = await client.wait(job.job_id, timeout_s=PATIENCE_S)
        assert over.value() == {"name": "asynchronous"}
        async with asyncio.timeout(PATIENCE_S):
            while slow_calls(used := await client.usage(group_by="intent")) < 2:
                await asyncio.sleep(0.1)
        return used


@pytest.mark.req("IN-S13")
@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/",
        "https://[::ffff:10.0.0.1]/",
        "https://2130706433/",
        "https://localhost/",
    ],
)
def test_callbacks_into_the_house_are_refused(stack: Stack, url: str) -> None:
    before = stack.rows("SELECT count(*) FROM agent_runs")
    answer = orchestrate(stack, "my.operation", {"param1": "y", "param2": 1}, callback_url=url)

    assert (answer.status, answer.json()["code"]) == (422, "callback_url_not_allowed")
    assert stack.rows("SELECT count(*) FROM agent_runs") == before


@pytest.mark.req("IN-S14")
def test_jobs_are_their_owners(stack: Stack) -> None:
    told = orchestrate(stack, "my.operation", {"param1": "z", "param2": 1}).json()
    unknown = f"job_{'0' * 32}"
    for path in (told["job_id"], unknown):
        answer = stack.get(f"/jobs/{path}", user=CYD)
        assert (answer.status, answer.json()["code"]) == (404, "job_not_found")
    wrong = stack.post("/orchestrate", {}, headers={"Authorization": "Bearer x.y.z"})
    assert wrong.status == 401
    assert stack.get(f"/jobs/{told['job_id']}", web=1).status == 200


@pytest.mark.req("IN-S16")
def test_a_reader_who_was_cut_off_misses_nothing(stack: Stack) -> None:
    body = {"intent": "test.held", "inputs": {"name": "read"}}
    first = stack.post("/orchestrate", body, headers={"Accept": "text/event-stream"})
    first.until("progress")
    job_id = first.frames[0].data["job_id"]
    first.cut()
    rest = stack.get(f"/jobs/{job_id}/stream", web=1, **{"Last-Event-ID": first.last_id})
    rest.until("heartbeat")
    stack.let_go("read")
    rest.rest()
    whole = stack.get(f"/jobs/{job_id}/stream")
    whole.rest()

    assert (first.frames[0].type, rest.frames[-1].type) == ("metadata", "complete")
    assert "progress" in rest.types
    assert rest.frames[-1].data["status"] == "success"
    assert rest.frames[-1].data["result"] == {"name": "read"}
    ids = [f.id for f in [*first.frames, *rest.frames] if f.id and f.type != "metadata"]
    assert ids == [f.id for f in whole.frames if f.id and f.type != "metadata"]
    assert calls_of(stack, "read") == 1


@pytest.mark.req("IN-S20")
def test_a_decorated_function_is_listed_and_callable(stack: Stack) -> None:
    (listed,) = [i for i in stack.get("/intents").json()["intents"] if i["name"] == "test.slow"]
    assert listed["mode"] == "agent"
    assert set(listed["inputs_schema"]["required"]) == {"seconds", "name"}
    told = orchestrate(stack, "test.slow", {"seconds": 0, "name": "now"}).json()
    assert told["result"] == {"name": "now"}


@pytest.mark.req("IN-S6")
def test_a_command_is_only_told_until_it_is_confirmed_and_some_never_run(stack: Stack) -> None:
    inputs = {"host": "server.com", "command": "rm -rf /"}
    dry = orchestrate(stack, "ssh.exec", inputs)
    told = dry.json()
    assert (dry.status, told["dry_run"], told["result"]["dry_run"]) == (200, True, True)
    assert told["note"] == told["result"]["note"] == "Set confirm_dangerous=true"
    assert told["result"]["denied"] is True

    sure = orchestrate(stack, "ssh.exec", {**inputs, "confirm_dangerous": True})
    assert (sure.status, sure.json()["code"]) == (403, "command_denied")
    said = orchestrate(stack, "ssh.exec", {**inputs, "confirm_dangerous": "true"})
    assert said.status == 422


@pytest.mark.req("IN-S19")
def test_a_model_only_tries_commands_and_calls_no_tool_that_it_was_not_given(stack: Stack) -> None:
    args = {"host": "server.com", "command": "reboot", "confirm_dangerous": True}
    call = {"tool_calls": [{"name": "ssh_exec", "arguments": args}]}
    stack.models.script("scripted", call, {"text": "Tried."}, call, {"text": "Sorry."})
    asked = {"prompt": "Restart it", "model": "scripted"}

    tried = result_of(stack, "agent.ask", {**asked, "tools": ["ssh.exec"]})
    refused = result_of(stack, "agent.ask", {**asked, "tools": ["memory.search", "ssh.*"]})

    assert (tried["text"], refused["text"]) == ("Tried.", "Sorry.")
    _, dry, offered, denied = [one["body"] for one in stack.models.requests("scripted")]
    assert '"dry_run":true' in dry["messages"][-1]["content"]
    names = [tool["function"]["name"] for tool in offered["tools"]]
    assert set(names) == {"memory_search", "ssh_exec_peek"}
    assert denied["messages"][-1]["role"] == "tool"
    assert "dry_run" not in denied["messages"][-1]["content"]
    calls = stack.rows("SELECT decision FROM agent_ssh_audit WHERE is_models_choice")
    assert calls == [{"decision": "dry_run"}]


@pytest.mark.req("IN-S15")
def test_a_model_that_is_down_is_told_after_it_was_tried_again(stack: Stack) -> None:
    body = {"prompt": "Hello", "model": "status-500"}
    begun = orchestrate(stack, "agent.ask", body, **{"async": True}).json()

    over = job_over(stack, begun["job_id"])
    assert (over["status"], over["error"]["code"]) == ("error", "llm_unavailable")
    assert len(stack.models.requests("status-500")) > 1


@pytest.mark.req("IN-S15")
def test_without_redis_nothing_is_left_open_and_older_jobs_are_told(stack: Stack) -> None:
    older = orchestrate(stack, "my.operation", {"param1": "old", "param2": 1}).json()
    stack.redis_kill()
    try:
        answer = orchestrate(stack, "test.slow", {"seconds": 0, "name": "away"})
        assert (answer.status, answer.json()["code"]) == (503, "queue_unavailable")
        assert job(stack, older["job_id"])["status"] == "success"
    finally:
        stack.redis_server.start()
    unfinished = "SELECT id FROM agent_runs WHERE kind = 'intent' AND finished_at IS NULL"
    wait_until(lambda: stack.rows(unfinished) == [])
    assert calls_of(stack, "away") == 0
