"""/admin/: how the service does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from orchestration.models import Run
from orchestration.services.leases import Claim
from taskmapr.core import events as ev
from taskmapr.core import wired
from taskmapr.core.errors import QueueUnavailable
from taskmapr.core.ids import uuid7
from taskmapr.core.ports import WorkerInfo
from tests.orchestration.logs import write

HOME = "/admin/"


def figures(client: Client, window: str = "24h") -> dict[str, Any]:
    answer = client.get(HOME, {"window": window})
    assert answer.status_code == 200
    return answer.context["dashboard"]


def aged(age: timedelta) -> dict[str, Any]:
    at = datetime.now(UTC) - age
    return {"pk": uuid7(int(at.timestamp() * 1000)), "created_at": at}


@pytest.mark.req("OV-67")
def test_counts_runs_and_measures_percentiles_over_the_window(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    for duration in range(100, 10_100, 100):
        finished(duration_ms=duration, first_output_ms=duration // 10, session_id="s")
    finished(status="failed", error_code="llm_unavailable", duration_ms=None, first_output_ms=None)
    finished(status="timed_out", duration_ms=None, first_output_ms=None)
    finished(**aged(timedelta(days=2)))

    whole = figures(admin_client)["whole"]

    assert (whole.runs, whole.succeeded, whole.failed, whole.timed_out) == (102, 100, 1, 1)
    assert (whole.duration.p50, whole.duration.p95, whole.duration.p99) == (5050, 9505, 9901)
    assert (whole.first_output.p50, whole.first_output.p99) == (505, 990)


@pytest.mark.req("OV-67")
@pytest.mark.parametrize(
    ("window", "age", "periods"),
    [
        ("1h", timedelta(minutes=50), 30),
        ("24h", timedelta(hours=20), 24),
        ("7d", timedelta(days=6), 28),
        ("30d", timedelta(days=28), 30),
    ],
)
def test_each_window_has_its_periods_and_its_runs(
    admin_client: Client,
    finished: Callable[..., Run],
    window: str,
    age: timedelta,
    periods: int,
) -> None:
    finished(**aged(age))
    finished()
    finished(**aged(timedelta(days=40)))

    shown = figures(admin_client, window)

    bars = shown["charts"][0]
    assert shown["whole"].runs == 2
    assert len(bars.columns) == len(bars.rows) == periods
    assert [row[1] for row in bars.rows if row[1] != "0"] == ["1", "1"]


def test_a_cost_that_nobody_knows_is_never_shown_as_nothing(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    finished(cost_usd_micros=None)

    shown = figures(admin_client)

    assert (shown["cost"], shown["unpriced"]) == ("unknown", 1)
    assert shown["models"][0]["cost"] == "unknown"
    assert shown["charts"][-1].is_empty
    assert "$ 0" not in admin_client.get(HOME).content.decode()


def test_known_costs_are_summed_beside_unknown_ones(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    finished(cost_usd_micros=200_000, model="a")
    finished(cost_usd_micros=300_000, model="a")
    finished(cost_usd_micros=None, model="b")

    shown = figures(admin_client)

    assert (shown["cost"], shown["unpriced"]) == ("$ 0.5000", 1)
    by_model = {model["row"].model: model["cost"] for model in shown["models"]}
    assert by_model == {"a": "$ 0.5000", "b": "unknown"}


def test_names_errors_and_failing_tools(
    admin_client: Client,
    finished: Callable[..., Run],
    start: Callable[..., Run],
    hold: Callable[[UUID], Claim],
) -> None:
    failed = finished(status="failed", error_code="worker_lost")
    run = start()
    good = ev.ToolCompleted(call_id="1", tool="ui.navigate", ok=True, result={}, duration_ms=1)
    bad = ev.ToolCompleted(call_id="2", tool="mcp.find", ok=False, error="no", duration_ms=1)
    calls = [ev.ToolStarted(call_id=c.call_id, tool=c.tool, args={}) for c in (good, bad)]
    write(hold(run.pk), calls[0], good, calls[1], bad)

    shown = figures(admin_client)

    error = shown["errors"][0]
    assert (error["row"].code, error["row"].latest_run) == ("worker_lost", failed.pk)
    assert [(t.tool, t.calls, t.failed) for t in shown["tools"]] == [
        ("mcp.find", 1, 1),
        ("ui.navigate", 1, 0),
    ]


@pytest.mark.parametrize("link", ["runs", "troubled", "slow", "slow_start", "unpriced", "costly"])
def test_links_lead_to_the_runs_that_were_counted(
    admin_client: Client, finished: Callable[..., Run], link: str
) -> None:
    run = finished(
        status="failed", duration_ms=40_000, first_output_ms=6_000, cost_usd_micros=200_000
    )
    if link == "unpriced":
        Run.objects.update(cost_usd_micros=None)

    url = figures(admin_client)["links"][link]

    assert f"{run.pk}/change" in admin_client.get(url).content.decode()


def test_shows_what_waits_and_who_works(
    admin_client: Client, finished: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(status="paused", finished_at=None)
    signals = wired.ports().signals
    worker = WorkerInfo(worker_id="w1", running=3, slots=600, host="h1", pid=7)
    monkeypatch.setattr(type(signals), "workers", lambda self: [worker])
    monkeypatch.setattr(type(signals), "queue_depths", lambda self, queues: {"runs.overlay": 5})

    shown = figures(admin_client)["open"]

    assert shown["work"].by_status == {"paused": 1}
    assert shown["queues"] == [("runs.overlay", 5)]
    assert ("Workers", "healthy", "1 alive") in shown["dependencies"]
    assert ("Model", "degraded", "built-in stand-in") in shown["dependencies"]
    assert ("MCP servers", "cancelled", "none set up") in shown["dependencies"]
    assert "3 / 600" in admin_client.get(HOME).content.decode()


@pytest.mark.req("TQ-37")
def test_names_tasks_that_run_and_queues_that_workers_serve(
    admin_client: Client,
    start: Callable[..., Run],
    hold: Callable[[UUID], Claim],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = start(kind="task", subject="nightly", session_id=None, queue="long")
    hold(running.pk)
    waiting = start(kind="task", subject="later", session_id=None, queue="long")
    queues = ("browser", "long")
    worker = WorkerInfo(worker_id="w2", running=1, slots=600, host="h1", pid=7, queues=queues)
    monkeypatch.setattr(type(wired.ports().signals), "workers", lambda self: [worker])

    (shown,) = figures(admin_client)["open"]["tasks"]
    page = admin_client.get(HOME).content.decode()

    assert (shown.id, shown.task_type, shown.queue) == (running.pk, "nightly", "long")
    assert f"{running.pk}/change" in page
    assert str(waiting.pk) not in page
    assert "<code>browser</code>, <code>long</code>" in page


def test_opens_without_redis_and_says_so(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: Any) -> Any:
        raise QueueUnavailable

    monkeypatch.setattr(type(wired.ports().signals), "workers", away)

    shown = figures(admin_client)["open"]

    assert ("Redis", "unhealthy", "not reachable") in shown["dependencies"]
    assert ("Workers", "degraded", "unknown") in shown["dependencies"]


def test_opens_with_at_most_twelve_queries(
    admin_client: Client,
    finished: Callable[..., Run],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(50):
        finished(model=f"m{number}", session_id="s")

    with django_assert_max_num_queries(12):
        admin_client.get(HOME)


def test_staff_who_may_not_see_runs_get_no_figures(client: Client, ada: Any) -> None:
    ada.is_staff = True
    ada.save()
    client.force_login(ada)

    answer = client.get(HOME)

    assert answer.status_code == 200
    assert "dashboard" not in answer.context
