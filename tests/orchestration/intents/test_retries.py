"""Tools that could not reach what they work with are called again, where that does no harm."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from orchestration.engines import direct_calls
from orchestration.log.store import events_all
from orchestration.models import Run
from taskmapr.core.errors import NotFound, SshUnreachable, TaskMaprError, ToolError
from taskmapr.core.tools import ToolRegistry, tool
from taskmapr.foundation.http.retries import RetryPolicy
from taskmapr.users.services.data_keys import DataKeySealers
from tests.orchestration.intents.conftest import Call

Flaky = Callable[..., list[float]]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_calls, "RETRIES", RetryPolicy(base_s=0.02))


@pytest.fixture
def flaky(registry: ToolRegistry) -> Flaky:
    """flaky(error, ..., **options) registers `shop.ask`, whose calls end so in turn, and then well.
    Gives the times of its calls."""

    def make(*errors: BaseException, **options: Any) -> list[float]:
        left, calls = list(errors), []

        @tool("shop.ask", into=registry, **options)
        async def ask() -> dict[str, int]:
            """Ask the shop."""
            calls.append(time.monotonic())
            if left:
                raise left.pop(0)
            return {"calls": len(calls)}

        return calls

    return make


def log_of(run: Run) -> list[tuple[str, dict[str, Any]]]:
    sealer = DataKeySealers().for_user(run.owner_id)
    return [(event.kind, event.data) for event in events_all(run.pk, sealer)]


@pytest.mark.req("IN-30")
@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        ToolError("shop_busy", "busy", 503),
        ToolError("shop_busy", "busy", 408),
        ToolError("shop_busy", "busy", 425),
        ToolError("shop_busy", "busy", 429),
        ToolError("shop_odd", "odd", retryable=True),
        SshUnreachable(),
    ],
    ids=repr,
)
def test_what_may_pass_is_tried_again(
    orchestrate: Call, call: Call, flaky: Flaky, error: Exception
) -> None:
    calls = flaky(error, error)

    answer = orchestrate("shop.ask")

    assert (answer.status, answer.json["result"]) == (200, {"calls": 3})
    assert len(calls) == 3
    assert call("GET", f"/jobs/{answer.json['job_id']}").json["attempts"] == 3


@pytest.mark.req("IN-30")
def test_each_attempt_is_in_the_log(orchestrate: Call, flaky: Flaky) -> None:
    flaky(*[ToolError("shop_busy", "The shop is busy.", 503)] * 3, cost_usd_micros=5)

    answer = orchestrate("shop.ask")

    assert (answer.status, answer.json["code"]) == (503, "shop_busy")
    assert answer.json["details"]["attempts"] == 3
    run = Run.objects.get()
    log = log_of(run)
    kinds = [kind for kind, _ in log]
    begun = kinds.index("tool.started")
    assert kinds[begun : kinds.index("tool.completed")] == [
        "tool.started",
        *["run.retrying", "run.started"] * 2,
        "log",
    ]
    again = [data for kind, data in log if kind == "run.retrying"]
    assert [(one["attempt"], one["reason"]) for one in again] == [
        (2, "shop_busy"),
        (3, "shop_busy"),
    ]
    assert all(0 <= one["delay_s"] <= 0.04 for one in again)
    assert (run.attempt, run.cost_usd_micros) == (3, 15)


@pytest.mark.req("IN-30")
@pytest.mark.parametrize(
    "error",
    [
        ToolError("no_such_paper", "There is no black paper.", 404),
        ToolError("shop_broken", "broken"),
        ToolError("shop_closed", "closed", 503, retryable=False),
        NotFound("gone"),
        ValueError("a mistake"),
    ],
    ids=repr,
)
def test_what_will_not_pass_is_not(orchestrate: Call, flaky: Flaky, error: Exception) -> None:
    calls = flaky(error)

    answer = orchestrate("shop.ask")

    assert answer.status == (error.status if isinstance(error, TaskMaprError) else 500)
    assert len(calls) == 1
    assert "run.retrying" not in [kind for kind, _ in log_of(Run.objects.get())]


@pytest.mark.req("IN-30")
@pytest.mark.parametrize(
    ("options", "times"),
    [
        ({"danger": "write", "has_effect": True}, 1),
        ({"danger": "write"}, 1),
        ({"danger": "dangerous", "needs_approval": False}, 1),
        ({"danger": "write", "has_effect": True, "is_idempotent": True}, 3),
        ({"danger": "write", "is_idempotent": True}, 3),
    ],
    ids=repr,
)
def test_what_changes_something_is_tried_again_only_if_twice_is_as_good_as_once(
    orchestrate: Call, flaky: Flaky, options: dict[str, Any], times: int
) -> None:
    calls = flaky(*[ToolError("shop_busy", "busy", 503)] * 2, **options)

    answer = orchestrate("shop.ask")

    assert len(calls) == times
    assert answer.status == (200 if times == 3 else 503)


@pytest.mark.req("IN-30", "IN-09")
def test_a_job_tells_whether_it_is_worth_another_try(
    orchestrate: Call, call: Call, flaky: Flaky
) -> None:
    odd = [ToolError("shop_odd", "odd", retryable=True)] * 3
    flaky(*odd, danger="write", has_effect=True, is_idempotent=True)

    job_id = orchestrate("shop.ask").json["job_id"]

    error = call("GET", f"/jobs/{job_id}").json["error"]
    assert error == {"code": "shop_odd", "message": "odd", "retryable": True}


@pytest.mark.req("IN-30")
def test_the_pause_that_was_asked_for_is_kept(orchestrate: Call, flaky: Flaky) -> None:
    calls = flaky(ToolError("shop_busy", "busy", 429, headers={"Retry-After": "1"}))

    assert orchestrate("shop.ask").status == 200

    first, second = calls
    assert second - first >= 1


@pytest.mark.req("IN-30")
def test_no_attempt_begins_after_the_tools_time(orchestrate: Call, flaky: Flaky) -> None:
    busy = ToolError("shop_busy", "busy", 429, headers={"Retry-After": "30"})
    calls = flaky(busy, timeout_s=5)

    assert orchestrate("shop.ask").status == 429
    assert len(calls) == 1


@pytest.mark.req("IN-28", "IN-30")
def test_an_exception_of_the_network_is_told_without_its_words(
    orchestrate: Call, flaky: Flaky
) -> None:
    flaky(*[ConnectionError("10.0.0.7 refused")] * 3)

    answer = orchestrate("shop.ask")

    assert (answer.status, answer.json["code"]) == (500, "tool_failed")
    assert b"10.0.0.7" not in answer.body
    assert answer.json["details"]["attempts"] == 3
