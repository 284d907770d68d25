"""The lines and figures of a task's life."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from orchestration.services.run_end import run_cancel
from taskmapr.core.task_types import Permanent, Retryable, TaskContext
from taskmapr.foundation.telemetry import metrics
from tests.orchestration.conftest import StartRun
from tests.orchestration.tasks.conftest import Execute

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.req("TQ-36", "TQ-40")]

LINES = "taskmapr.foundation.telemetry.task_lines"
Params = dict[str, Any]


@pytest.fixture(autouse=True)
def _fresh(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO, LINES)
    metrics.figures.cache_clear()
    yield
    metrics.figures.cache_clear()


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.name == LINES]


def counted(status: str) -> float:
    value: float = metrics.figures().tasks.labels("trial", status)._value.get()
    return value


def test_a_task_that_is_tried_again_tells_every_step(
    execute: Execute, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(params: Params, ctx: TaskContext) -> Any:
        if ctx.attempt == 1:
            raise Retryable("not yet")
        return {}

    ended = execute(work)

    lines = told(caplog)
    assert [line["event"] for line in lines] == ["started", "retry", "started", "completed"]
    assert {(line["task_id"], line["task_type"]) for line in lines} == {
        (str(ended.run.pk), "trial")
    }
    assert [line["attempt"] for line in lines[:3]] == [1, 1, 2]
    assert lines[1]["code"] == "retryable"
    assert all(line["duration_ms"] >= 0 for line in (lines[1], lines[3]))
    assert counted("completed") == 1


def test_what_failed_says_with_which_code_and_not_with_which_words(
    execute: Execute, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(params: Params, ctx: TaskContext) -> Any:
        raise Permanent("login_failed", f"refused {params['word']}")

    execute(work, {"word": "marigold"})

    assert [(line["event"], line.get("code")) for line in told(caplog)] == [
        ("started", None),
        ("failed", "login_failed"),
    ]
    assert "marigold" not in " ".join(str(line) for line in told(caplog))
    assert counted("failed") == 1


def test_one_that_is_cancelled_while_it_waits_is_counted_though_nobody_worked_on_it(
    start: StartRun, caplog: pytest.LogCaptureFixture
) -> None:
    run = start(kind="task", subject="trial", session_id=None, input={"params": {}})

    run_cancel(run_id=run.pk, by="ada")

    (line,) = told(caplog)
    assert (line["event"], line["status"], "duration_ms" in line) == ("failed", "cancelled", False)
    assert counted("cancelled") == 1
