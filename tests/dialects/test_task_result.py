from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from orchestration.dialects.task_result import LOG_LINES, SHOWN, TaskFacts, TaskResult
from taskmapr.core import run_state
from taskmapr.core.events import Event

TASK = UUID("01900000-0000-7000-8000-000000000001")
T0 = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
NOW = T0 + timedelta(minutes=1)


def _facts(**changes: Any) -> TaskFacts:
    given: dict[str, Any] = {
        "task_id": str(TASK),
        "task_type": "test_task",
        "status": "queued",
        "attempt": 0,
        "max_retries": 3,
        "created_at": T0,
    }
    return TaskFacts(**{**given, **changes})


def _log(*events: tuple[str, dict[str, Any]]) -> list[Event]:
    """One event a second, from the creation on."""
    return [
        Event(TASK, seq, kind, data, T0 + timedelta(seconds=seq - 1))
        for seq, (kind, data) in enumerate(events, 1)
    ]


def _folded(events: Iterable[Event], **changes: Any) -> TaskResult:
    return TaskResult(_facts(**changes), lambda folder, name: f"/{folder}/{name}").feed_all(events)


CREATED = ("run.created", {"run_kind": "task", "model": ""})
STARTED = ("run.started", {"attempt": 1, "worker": "w"})
SHOT = {
    "artifact_id": "a",
    "media_type": "image/png",
    "size_bytes": 10,
    "name": "one.png",
    "role": "screenshot",
    "label": "success",
    "sha256": "ab",
    "width": 1280,
    "height": 800,
}
WHOLE = _log(
    CREATED,
    STARTED,
    ("log", {"level": "info", "text": "step 1 of 3"}),
    ("progress", {"fraction": 0.33, "text": "step 1 of 3"}),
    ("artifact", SHOT),
    ("artifact", {**SHOT, "name": "report.csv", "media_type": "text/csv", "role": "download"}),
    ("artifact", {**SHOT, "name": "page.html", "role": "private"}),
    ("result", {"value": {"echo": {"test": True}}}),
    ("metadata", {"model": "", "processing_ms": 1}),
    ("run.finished", {"status": "succeeded", "duration_ms": 9}),
)


ASKED = {
    "approval_id": "q1",
    "asks": "approval",
    "expires_at": "2026-01-05T11:00:00Z",
    "prompt": "May it?",
    "args": {"batch_ids": [1], "password": "open sesame"},
}


@pytest.mark.req("TQ-46")
def test_what_a_person_is_asked_is_told_until_it_is_answered() -> None:
    answer = {"approval_id": "q1", "decision": "denied", "by": "ada"}
    log = _log(
        CREATED,
        STARTED,
        ("approval.requested", ASKED),
        ("run.paused", {"approval_ids": ["q1"]}),
        ("approval.resolved", answer),
    )

    assert _folded(log[:4]).body(now=NOW)["details"] == {
        "confirmation": {
            "prompt": "May it?",
            "args": {"batch_ids": [1], "password": "[redacted]"},
            "expires_at": "2026-01-05T11:00:00Z",
        }
    }
    assert _folded(log).confirmation is None
    assert _folded(log[:4], status="cancelled").confirmation is None


@pytest.mark.req("TQ-46")
def test_a_call_of_a_model_is_asked_for_by_its_name_and_a_workflow_is_no_person() -> None:
    call = {**ASKED, "prompt": None, "tool": "ssh.exec"}
    (_, _, asked) = _log(CREATED, STARTED, ("approval.requested", call))
    (_, _, flow) = _log(CREATED, STARTED, ("approval.requested", {**ASKED, "of": "flow"}))

    assert (_folded([asked]).confirmation or {})["prompt"] == "May ssh.exec be called?"
    assert _folded([flow]).confirmation is None


@pytest.mark.req("TQ-20", "TQ-42")
def test_a_completed_task_has_every_member() -> None:
    body = _folded(WHOLE).body(now=NOW)

    assert body == {
        "task_id": str(TASK),
        "task_type": "test_task",
        "status": "completed",
        "state": "SUCCESS",
        "ready": True,
        "result": {"echo": {"test": True}},
        "error": None,
        "message": "Task 'test_task' completed",
        "progress": {"percent": 33, "text": "step 1 of 3"},
        "attempts": 1,
        "max_retries": 3,
        "logs": [
            {
                "timestamp": "2026-01-05T10:00:02.000Z",
                "level": "INFO",
                "message": "step 1 of 3",
                "attempt": 1,
                "seq": 3,
            }
        ],
        "logs_truncated": False,
        "screenshots": [
            {
                "name": "one.png",
                "url": "/screenshots/one.png",
                "kind": "success",
                "timestamp": "2026-01-05T10:00:04.000Z",
                "width": 1280,
                "height": 800,
                "expired": False,
            }
        ],
        "downloads": [
            {
                "name": "report.csv",
                "url": "/results/report.csv",
                "size": 10,
                "mime": "text/csv",
                "sha256": "ab",
                "expired": False,
            }
        ],
        "expired": False,
        "details": {},
        "seq": 10,
        "created_at": "2026-01-05T10:00:00.000Z",
        "started_at": "2026-01-05T10:00:01.000Z",
        "completed_at": "2026-01-05T10:00:09.000Z",
        "duration_ms": 8000,
        "timestamp": "2026-01-05T10:01:00.000Z",
    }


@pytest.mark.req("TQ-20")
def test_the_members_are_the_same_at_every_moment() -> None:
    names = list(_folded(WHOLE).body(now=NOW))
    result = _folded([])

    for event in WHOLE:
        assert list(result.body(now=NOW)) == names
        result.feed(event)


@pytest.mark.req("TQ-20")
def test_before_it_begins_nothing_is_made_up() -> None:
    body = _folded(WHOLE[:1]).body(now=NOW)

    assert (body["status"], body["state"], body["ready"]) == ("assigned", "PENDING", False)
    absent = ("result", "error", "progress", "started_at", "completed_at", "duration_ms")
    assert [body[name] for name in absent] == [None] * 6
    assert (body["logs"], body["screenshots"], body["downloads"]) == ([], [], [])


@pytest.mark.req("TQ-20")
@pytest.mark.parametrize(
    ("stored", "shown", "state"),
    [
        ("queued", "assigned", "PENDING"),
        ("running", "running", "STARTED"),
        ("retrying", "retrying", "RETRY"),
        ("paused", "running", "STARTED"),
        ("succeeded", "completed", "SUCCESS"),
        ("failed", "failed", "FAILURE"),
        ("cancelled", "cancelled", "REVOKED"),
        ("timed_out", "timed_out", "FAILURE"),
    ],
)
def test_words_of_every_status(stored: str, shown: str, state: str) -> None:
    result = _folded([], status=stored, error_code="x" if stored == "failed" else "")

    assert (result.status, result.state) == (shown, state)
    assert set(SHOWN) == set(run_state.STATUSES)


@pytest.mark.req("TQ-15", "TQ-20")
def test_attempts_are_counted_and_lines_say_whose_they_are() -> None:
    events = _log(
        CREATED,
        STARTED,
        ("log", {"level": "warning", "text": "one"}),
        ("run.retrying", {"attempt": 2, "reason": "upstream_error", "delay_s": 2.0}),
        ("run.started", {"attempt": 2, "worker": "w"}),
        ("log", {"level": "info", "text": "two"}),
    )

    assert _folded(events[:4]).status == "retrying"
    body = _folded(events).body(now=NOW)
    assert (body["status"], body["attempts"]) == ("running", 2)
    assert [(line["level"], line["attempt"]) for line in body["logs"]] == [
        ("WARNING", 1),
        ("INFO", 2),
    ]


@pytest.mark.req("TQ-20")
def test_an_error_says_what_happened_in_which_attempt() -> None:
    error = {"code": "login_failed", "message": "The site refused the password."}
    body = _folded(
        _log(CREATED, STARTED, ("error", error), ("run.finished", {"status": "failed"}))
    ).body(now=NOW)

    assert body["error"] == {
        **error,
        "type": "LoginFailed",
        "retryable": False,
        "attempt": 1,
    }
    assert body["message"] == error["message"]


@pytest.mark.req("TQ-17", "TQ-20")
def test_a_cancelled_task_says_so() -> None:
    body = _folded(_log(CREATED, ("run.finished", {"status": "cancelled"}))).body(now=NOW)

    assert (body["status"], body["error"]["code"]) == ("cancelled", "cancelled")
    assert body["duration_ms"] is None


@pytest.mark.req("TQ-22")
def test_after_its_time_the_row_tells_what_it_can() -> None:
    body = _folded(
        [],
        status="failed",
        attempt=2,
        error_code="time_limit",
        error_message="Too long.",
        started_at=T0,
        finished_at=NOW,
        is_erased=True,
    ).body(now=NOW)

    assert (body["status"], body["attempts"], body["expired"]) == ("failed", 2, True)
    assert (body["error"]["code"], body["message"]) == ("time_limit", "Too long.")
    assert body["duration_ms"] == 60_000


@pytest.mark.req("TQ-22")
def test_a_file_that_is_gone_is_marked() -> None:
    body = _folded(WHOLE, gone={"one.png"}).body(now=NOW)

    assert (body["expired"], body["screenshots"][0]["expired"]) == (True, True)
    assert body["downloads"][0]["expired"] is False


@pytest.mark.req("TQ-20")
def test_only_the_last_lines_are_told() -> None:
    lines = [("log", {"level": "info", "text": str(n)}) for n in range(LOG_LINES + 1)]
    body = _folded(_log(CREATED, STARTED, *lines)).body(now=NOW)

    assert (len(body["logs"]), body["logs_truncated"]) == (LOG_LINES, True)
    assert (body["logs"][0]["message"], body["logs"][-1]["message"]) == ("1", str(LOG_LINES))
    assert _folded(_log(CREATED, STARTED, *lines[1:])).body(now=NOW)["logs_truncated"] is False


def test_without_logs_none_are_told() -> None:
    body = _folded(WHOLE).body(now=NOW, with_logs=False)
    assert (body["logs"], body["logs_truncated"]) == ([], False)


def test_a_row_that_is_ahead_of_its_log_is_believed() -> None:
    assert _folded(WHOLE[:1], status="running", attempt=1).status == "running"
    assert _folded(WHOLE[:1], status="running", attempt=1).attempts == 1
    assert _folded(WHOLE[:2], status="succeeded").is_ready
    assert _folded(WHOLE, status="running").status == "completed"


@pytest.mark.req("TQ-25")
@pytest.mark.parametrize("fraction", range(0, 101))
def test_percent_is_the_number_that_the_task_gave(fraction: int) -> None:
    events = _log(CREATED, STARTED, ("progress", {"fraction": fraction / 100}))
    assert _folded(events).body(now=NOW)["progress"] == {"percent": fraction, "text": ""}


def test_earlier_lines_progress_and_results_may_be_left_out() -> None:
    """As lists do, which read only what they tell."""
    chosen = random.Random(1)
    noise: list[tuple[str, dict[str, Any]]] = [
        ("progress", {"fraction": chosen.random()}) for _ in range(20)
    ]
    events = _log(CREATED, STARTED, *noise, ("result", {"value": 1}), ("result", {"value": 2}))
    short = [e for e in events if e.seq in {1, 2, 22, 24}]

    assert _folded(short).body(now=NOW) == _folded(events).body(now=NOW)


STEP = {"name": "fetch", "position": 1, "task_type": "http_request", "task_id": "T"}
WAITS = {"approval_id": "a", "asks": "question", "expires_at": "2026-01-05T11:00:00Z", "step": STEP}
ANSWERED = {"approval_id": "a", "decision": "answered", "by": "step"}


@pytest.mark.req("TQ-12", "TQ-20")
def test_a_task_whose_steps_are_tasks_tells_which_one_it_waits_for() -> None:
    log = _log(
        CREATED,
        STARTED,
        ("approval.requested", WAITS),
        ("run.paused", {"approval_ids": ["a"]}),
        ("approval.resolved", ANSWERED),
        ("run.resumed", {"by": "step"}),
        ("run.started", {"attempt": 2, "worker": "w2"}),
        ("log", {"level": "info", "text": "on"}),
    )

    waiting = _folded(log[:4]).body(now=NOW)
    going_on = _folded(log).body(now=NOW)

    assert waiting["message"] == "Task 'test_task' waits for its step 'fetch'"
    assert (waiting["status"], waiting["details"]) == ("running", {"steps": [STEP]})
    assert (going_on["status"], going_on["attempts"]) == ("running", 1)
    assert going_on["logs"][0]["attempt"] == 1
    assert going_on["details"] == {"steps": [STEP]}
