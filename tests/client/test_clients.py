"""What both clients ask, what they make of answers, and when they ask again."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from taskmapr.client import (
    ApiError,
    Client,
    Conflict,
    Forbidden,
    InvalidRequest,
    JobFailed,
    NoAnswer,
    NotAuthenticated,
    NotFound,
    NotUnderstood,
    QuotaExceeded,
    RateLimited,
    ServerFailed,
    Unavailable,
    WaitedTooLong,
)
from tests.client.conftest import Ask, problem, told
from tests.receiver import Receiver, Reply, receiving

JOB = "job_" + "1f" * 16
DONE = {
    "job_id": JOB,
    "status": "success",
    "intent": "memory.write",
    "mode": "agent",
    "result": {"item_id": "mem_1"},
    "error": None,
    "progress": {"percent": 100, "text": "done"},
    "attempts": 1,
    "duration_ms": 45,
    "created_at": "2026-01-05T10:00:00.000Z",
    "completed_at": "2026-01-05T10:00:00.045Z",
}
TASK = {
    "task_id": "t-1",
    "task_type": "test_task",
    "status": "completed",
    "result": {"echo": {}},
    "error": None,
    "message": "Task 'test_task' completed",
    "progress": {"percent": 100, "text": ""},
    "attempts": 1,
    "logs": [{"timestamp": "2026-01-05T10:00:00Z", "level": "INFO", "message": "a", "attempt": 1}],
    "screenshots": [{"name": "a.png", "url": "/static/screenshots/t-1/a.png", "kind": "success"}],
    "downloads": [
        {"name": "r.csv", "url": "/static/results/t-1/r.csv", "size": 3, "mime": "text/csv"}
    ],
    "created_at": "2026-01-05T10:00:00Z",
    "completed_at": None,
    "duration_ms": 5,
}


def sent(server: Receiver, index: int = 0) -> Any:
    return json.loads(server.received[index].body)


@pytest.mark.req("IN-38", "IN-51")
def test_tells_what_was_used(ask: Ask, server: Receiver) -> None:
    figures = {"calls": 2, "failed": 1, "unpriced": 0, "input_tokens": 5, "output_tokens": 6}
    row = {"tool": "memory.write", **figures, "cost_usd_micros": 7}
    body = {"from": "2026-05-01", "to": "2026-05-31", "group_by": "tool", "is_cut": True}
    server.replies = [told({**body, "usage": [row], "total": {**figures, "cost_usd_micros": 9}})]

    used = ask("usage", first=date(2026, 5, 1), last=date(2026, 5, 31), group_by="tool")

    assert server.received[0].path == "/usage?from=2026-05-01&to=2026-05-31&group_by=tool"
    assert (used.first, used.last, used.is_cut) == (date(2026, 5, 1), date(2026, 5, 31), True)
    (only,) = used.rows
    assert (only.name, only.figures.calls, only.figures.cost_usd_micros) == ("memory.write", 2, 7)
    assert (used.total.failed, used.total.output_tokens, used.total.cost_usd_micros) == (1, 6, 9)


def test_asks_for_the_servers_own_range_when_none_is_named(ask: Ask, server: Receiver) -> None:
    body = {"from": "2026-05-01", "to": "2026-05-30", "group_by": "day"}
    server.replies = [told({**body, "usage": [], "total": {}})]

    assert (ask("usage").rows, server.received[0].path) == ((), "/usage")


@pytest.mark.req("IN-51")
def test_orchestrates(ask: Ask, server: Receiver) -> None:
    server.replies = [told(DONE, idempotency_replayed="true")]

    job = ask(
        "orchestrate",
        "memory.write",
        {"text": "ü"},
        "agent",
        callback_url="https://hooks.example.com/",
        context={"trace_id": "t"},
        idempotency_key="k1",
    )

    (request,) = server.received
    assert (request.method, request.path) == ("POST", "/orchestrate")
    assert request.headers["x-api-key"] == "k"
    assert request.headers["idempotency-key"] == "k1"
    assert sent(server) == {
        "intent": "memory.write",
        "inputs": {"text": "ü"},
        "mode": "agent",
        "callback_url": "https://hooks.example.com/",
        "context": {"trace_id": "t"},
    }
    assert (job.job_id, job.status, job.is_final, job.is_replay) == (JOB, "success", True, True)
    assert job.value() == {"item_id": "mem_1"}
    assert job.created_at == datetime(2026, 1, 5, 10, tzinfo=UTC)


@pytest.mark.req("IN-51")
def test_a_job_that_takes_longer_is_accepted_and_waited_for(ask: Ask, server: Receiver) -> None:
    accepted = {"status": "accepted", "job_id": JOB, "mode": "flow", "message": "Job accepted"}
    server.replies = [told(accepted, 202), told({**DONE, "status": "running"}), told(DONE)]

    job = ask("orchestrate", "gmail.triage", wait=False)
    with pytest.raises(ValueError, match="goes on"):
        job.value()
    done = ask("wait", job.job_id, timeout_s=10)

    assert sent(server) == {"intent": "gmail.triage", "inputs": {}, "mode": "auto", "async": True}
    assert (job.status, job.intent, job.is_final) == ("accepted", "gmail.triage", False)
    assert done.value() == {"item_id": "mem_1"}
    assert [request.path for request in server.received[1:]] == [f"/jobs/{JOB}"] * 2


def test_waiting_has_an_end(ask: Ask, server: Receiver) -> None:
    server.replies = [told({**DONE, "status": "running"})]

    with pytest.raises(WaitedTooLong):
        ask("wait", JOB, timeout_s=0.3)


@pytest.mark.parametrize("status", ["error", "timeout", "cancelled"])
def test_a_job_that_failed_has_no_value(ask: Ask, server: Receiver, status: str) -> None:
    error = {"code": "upstream_error", "message": "It broke.", "retryable": True}
    failed = {
        **DONE,
        "status": status,
        "result": None,
        "error": error if status != "cancelled" else None,
    }
    server.replies = [told(failed)]

    job = ask("wait", JOB)

    with pytest.raises(JobFailed) as failure:
        job.value()
    assert failure.value.code == ("cancelled" if status == "cancelled" else "upstream_error")


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "invalid_json", InvalidRequest),
        (401, "invalid_api_key", NotAuthenticated),
        (402, "quota_exceeded", QuotaExceeded),
        (403, "intent_forbidden", Forbidden),
        (404, "unknown_intent", NotFound),
        (409, "already_finished", Conflict),
        (422, "validation_error", InvalidRequest),
        (429, "rate_limited", RateLimited),
        (500, "tool_failed", ServerFailed),
        (502, "upstream_error", ServerFailed),
        (503, "not_configured", Unavailable),
        (504, "timed_out", ServerFailed),
        (418, "teapot", ApiError),
    ],
)
def test_problems_are_typed(
    ask: Ask, server: Receiver, status: int, code: str, error: type[ApiError]
) -> None:
    server.replies = [problem(status, code, {"job_id": JOB, "details": {"a": 1}})]

    with pytest.raises(error) as refusal:
        ask("orchestrate", "xyz")

    assert type(refusal.value) is error
    assert (refusal.value.code, refusal.value.job_id) == (code, JOB)
    assert (refusal.value.details, refusal.value.request_id) == ({"a": 1}, "r-1")
    assert len(server.received) == 1


def test_a_page_of_a_proxy_is_an_error_without_a_code(ask: Ask, server: Receiver) -> None:
    server.replies = [Reply(status=502, body=b"<html>secret</html>")]

    with pytest.raises(ServerFailed) as refusal:
        ask("intents")

    assert refusal.value.code == "unknown"
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limited"), (503, "queue_unavailable")])
def test_asks_again_when_the_server_says_when(
    ask: Ask, server: Receiver, status: int, code: str
) -> None:
    server.replies = [problem(status, code, retry_after="0"), told(DONE)]

    assert ask("orchestrate", "memory.write").status == "success"
    assert sent(server, 0) == sent(server, 1)


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"[]", b'{"job":1}', b"null"])
def test_a_page_that_says_all_is_well_is_an_error_of_the_library(
    ask: Ask, server: Receiver, body: bytes
) -> None:
    server.replies = [Reply(body=body)]

    with pytest.raises(NotUnderstood):
        ask("intents")


def test_gives_up_after_its_repeats(ask: Ask, server: Receiver) -> None:
    server.replies = [problem(429, "rate_limited", retry_after="0")]

    with pytest.raises(RateLimited):
        ask("intents")

    assert len(server.received) == 3


@pytest.mark.parametrize(
    "reply",
    [
        problem(429, "rate_limited", retry_after="3600"),
        problem(429, "rate_limited"),
        problem(503, "circuit_open", {"job_id": JOB}, retry_after="0"),
    ],
)
def test_does_not_ask_again_when_that_is_for_the_caller(
    ask: Ask, server: Receiver, reply: Reply
) -> None:
    server.replies = [reply]

    with pytest.raises(ApiError):
        ask("orchestrate", "gmail.triage")

    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("method", "args", "kwargs", "requests"),
    [
        ("job", (JOB,), {}, 3),
        ("assign", ("test_task",), {}, 3),
        ("orchestrate", ("a",), {"idempotency_key": "k"}, 3),
        ("orchestrate", ("a",), {}, 1),
        ("cancel", (JOB,), {}, 1),
    ],
)
def test_repeats_after_a_broken_answer_only_what_cannot_be_done_twice(
    ask: Ask,
    server: Receiver,
    method: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    requests: int,
) -> None:
    server.replies = [Reply(body=b"{", lacks=9)]

    with pytest.raises(NoAnswer):
        ask(method, *args, **kwargs)

    keys = {request.headers.get("idempotency-key") for request in server.received}
    assert len(server.received) == requests
    assert len(keys) == 1


def test_nobody_there_is_no_answer() -> None:
    with receiving() as gone:
        url = gone.url("")

    with Client(url) as client, pytest.raises(NoAnswer):
        client.intents()


def test_lists_what_there_is(ask: Ask, server: Receiver) -> None:
    intent = {"name": "memory.write", "modes": ["agent"], "inputs_schema": {"type": "object"}}
    server.replies = [
        told({"intents": [intent], "count": 1}),
        told({"jobs": [DONE], "next_cursor": "c"}),
    ]

    (found,) = ask("intents")
    page = ask("jobs", status="success", cursor="b")

    assert (found.name, found.modes) == ("memory.write", ("agent",))
    assert ([job.job_id for job in page.jobs], page.next_cursor) == ([JOB], "c")
    assert server.received[1].path == "/jobs?status=success&cursor=b"


def test_tasks(ask: Ask, server: Receiver) -> None:
    running = {**TASK, "status": "running", "result": None, "logs": []}
    server.replies = [
        told({"task_id": "t-1", "status": "assigned"}),
        told(running),
        told(TASK),
        told(TASK),
        told({"tasks": [{"name": "test_task", "title": "Test", "enabled": True}], "count": 1}),
        told({"items": [TASK], "next_cursor": None, "count": 1}),
        told({"task_id": "t-2", "status": "assigned"}),
    ]

    task_id = ask("assign", "test_task", {"steps": 2}, priority=7, max_retries=0)
    task = ask("wait_task", task_id)
    (kind,) = ask("task_types")
    page = ask("tasks", task_type="test_task")

    assert sent(server) == {
        "task_type": "test_task",
        "params": {"steps": 2},
        "priority": 7,
        "max_retries": 0,
    }
    assert (task.is_final, task.value(), task.logs[0].message) == (True, {"echo": {}}, "a")
    assert (task.screenshots[0].kind, task.downloads[0].size) == ("success", 3)
    assert (kind.name, kind.enabled) == ("test_task", True)
    assert [one.task_id for one in page.tasks] == ["t-1"]
    assert ask("retry_task", "t-1") == "t-2"
    assert [request.path for request in server.received] == [
        "/assign-task/",
        "/result/t-1?logs=0",
        "/result/t-1?logs=0",
        "/result/t-1",
        "/tasks/",
        "/tasks/runs/?task_type=test_task",
        "/tasks/t-1/retry",
    ]


def test_commands(ask: Ask, server: Receiver) -> None:
    server.replies = [told({}, 202)]

    for method, one in (("cancel", JOB), ("redeliver", JOB), ("cancel_task", "t-1")):
        assert ask(method, one) is None
    assert ask("confirm_task", "t-1", approve=False) is None

    assert sent(server, 3) == {"approve": False}
    assert [request.path for request in server.received] == [
        f"/jobs/{JOB}/cancel",
        f"/jobs/{JOB}/redeliver",
        "/tasks/t-1/cancel",
        "/tasks/t-1/confirm",
    ]


@pytest.mark.parametrize("odd", ["", ".", ".."])
def test_an_id_is_never_another_path(ask: Ask, server: Receiver, odd: str) -> None:
    server.replies = [told(DONE)]

    with pytest.raises(ValueError, match="no id"):
        ask("job", odd)
    ask("job", "a/../../b?c#d")

    assert [request.path for request in server.received] == ["/jobs/a%2F..%2F..%2Fb%3Fc%23d"]


def test_one_credential_is_enough() -> None:
    with pytest.raises(ValueError, match="not both"):
        Client("http://localhost", api_key="k", token="t")


# Streams


def frame(kind: str, seq: int | None = None, **data: Any) -> bytes:
    shown = json.dumps({"type": kind, "event": kind, "seq": seq, "data": data})
    head = f"id: R:{seq}\n" if seq is not None else ""
    return f"{head}data: {shown}\n\n".encode()


def stream(*parts: bytes) -> Reply:
    return Reply(body=b"".join(parts), headers={"Content-Type": "text/event-stream"})


@pytest.mark.req("IN-51")
def test_a_cut_stream_is_resumed_and_nothing_comes_twice(ask: Ask, server: Receiver) -> None:
    server.replies = [
        stream(
            b"retry: 3000\n",
            frame("metadata", 1),
            frame("heartbeat"),
            b": a comment\n\n",
            frame("text_delta", 2, text="a"),
            frame("tool_call_started"),  # its last frame was cut off
        ),
        Reply(status=503, headers={"Retry-After": "1"}),
        stream(frame("tool_call_started"), frame("progress", 4, percent=40)),
        stream(frame("complete", 5, status="success", result={"a": 1})),
    ]

    events = ask("stream", JOB)

    assert [event.type for event in events] == [
        "metadata",
        "text_delta",
        "tool_call_started",
        "progress",
        "complete",
    ]
    assert events[-1].data == {"status": "success", "result": {"a": 1}}
    assert {request.path for request in server.received} == {f"/jobs/{JOB}/stream"}
    asked_after = [request.headers.get("last-event-id") for request in server.received]
    assert asked_after == [None, "R:2", "R:2", "R:4"]


def test_a_stream_that_says_nothing_more_is_given_up(ask: Ask, server: Receiver) -> None:
    server.replies = [stream(frame("metadata", 1)), stream()]

    with pytest.raises(NoAnswer):
        ask("stream", JOB)

    assert len(server.received) == 4


def test_a_stream_of_something_else_is_an_error_of_the_library(ask: Ask, server: Receiver) -> None:
    server.replies = [stream(b"data: {oops\n\n")]

    with pytest.raises(NotUnderstood):
        ask("stream", "job_1")


def test_a_stream_of_somebody_elses_job_is_refused_at_once(ask: Ask, server: Receiver) -> None:
    server.replies = [problem(404, "job_not_found")]

    with pytest.raises(NotFound):
        ask("stream", JOB)

    assert len(server.received) == 1
