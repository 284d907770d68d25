from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from taskmapr.foundation.telemetry import metrics

NAMES = {
    "taskmapr_stream_duration_seconds": "histogram",
    "taskmapr_time_to_first_token_seconds": "histogram",
    "taskmapr_tokens_per_second": "histogram",
    "taskmapr_messages_per_session": "histogram",
    "taskmapr_active_sessions": "gauge",
    "taskmapr_open_streams": "gauge",
    "taskmapr_circuit_state": "gauge",
    "taskmapr_dependency_up": "gauge",
    "taskmapr_tool_calls": "counter",
    "taskmapr_tool_cost": "counter",
    "taskmapr_intents": "counter",
    "taskmapr_intent_duration_seconds": "histogram",
    "taskmapr_idempotent_replays": "counter",
    "taskmapr_requests": "counter",
    "taskmapr_errors": "counter",
    "taskmapr_session_persistence": "counter",
    "taskmapr_callbacks": "counter",
    "taskmapr_batches": "counter",
    "taskmapr_tasks": "counter",
    "taskmapr_task_duration_seconds": "histogram",
    "taskmapr_task_wait_seconds": "histogram",
    "taskmapr_task_retries": "counter",
    "taskmapr_rate_limited": "counter",
    "taskmapr_queue_depth": "gauge",
    "taskmapr_workers": "gauge",
    "taskmapr_ws_connections": "gauge",
}


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    metrics.figures.cache_clear()
    yield
    metrics.figures.cache_clear()


class Shown:
    """What the page says."""

    def __init__(self, now: metrics.Now | None = None, **dependencies: float) -> None:
        text = metrics.metrics_text(now or metrics.Now(dependencies=dependencies)).decode()
        self.families = list(text_string_to_metric_families(text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def value(self, name: str, /, **labels: str) -> float:
        (found,) = (s.value for s in self.samples if (s.name, s.labels) == (name, labels))
        return found

    def up(self, name: str) -> float:
        return self.value("taskmapr_dependency_up", name=name)


@pytest.mark.req("OV-67", "TQ-40", "TQ-S15", "IN-39")
def test_everything_has_its_name_and_type() -> None:
    assert {family.name: family.type for family in Shown().families} == NAMES


@pytest.mark.req("OV-67")
@pytest.mark.django_db
def test_requests_are_counted_by_route_method_and_status() -> None:
    client = Client()
    client.get("/problems/not_found")
    client.get("/problems/not_found/")
    client.get("/problems/no_such_code_anywhere")
    client.get("/api/taskmapr/runs/7c9e6679-7425-40de-944b-e07fc1f90ae7")
    page, route = "/problems/<slug:code>", "/api/taskmapr/runs/<str:run_id>"
    shown = Shown()

    def requests(endpoint: str, status: str) -> float:
        told = {"endpoint": endpoint, "method": "GET", "status": status}
        return shown.value("taskmapr_requests_total", **told)

    assert (requests(page, "200"), requests(page, "404"), requests(route, "401")) == (2, 1, 1)
    assert shown.value("taskmapr_errors_total", endpoint=page, code="not_found") == 1
    assert shown.value("taskmapr_errors_total", endpoint=route, code="missing_token") == 1


@pytest.mark.req("OV-67")
def test_what_is_refused_early_is_counted_where_it_was_meant_for() -> None:
    length, path = str(10**9), "/api/taskmapr/orchestrate"
    Client().generic("POST", f"{path}/", headers={"Content-Length": length})

    assert Shown().value("taskmapr_errors_total", endpoint=path, code="payload_too_large") == 1


@pytest.mark.req("OV-67")
def test_no_client_can_make_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    for n in range(20):
        client.get(f"/api/made-up/{n}")
        client.get(f"/assets/made-up-{n}.js")
        client.generic(f"BREW{n}", "/openapi.json")
    counted = [s.labels for s in Shown().samples if s.name == "taskmapr_requests_total"]

    assert sorted(counted, key=str) == [
        {"endpoint": "/openapi.json", "method": "other", "status": "200"},
        {"endpoint": "/unmatched", "method": "GET", "status": "404"},
    ]


@pytest.mark.req("OV-67")
def test_a_dependency_that_nobody_knows_is_not_called_away() -> None:
    metrics.model_answered(False)
    shown = Shown(db=1.0, redis=0.0)

    assert [shown.up(name) for name in ("db", "redis", "llm")] == [1, 0, 0]
    assert math.isnan(shown.up("mcp"))

    metrics.model_answered(True)
    assert Shown().up("llm") == 1


@pytest.mark.req("TQ-40")
def test_what_waits_is_told_by_queue_and_who_works_in_one_number() -> None:
    shown = Shown(metrics.Now(queue_depth={"browser": 3, "long": 0}, workers=2))

    assert shown.value("taskmapr_queue_depth", queue="browser") == 3
    assert shown.value("taskmapr_queue_depth", queue="long") == 0
    assert shown.value("taskmapr_workers") == 2


@pytest.mark.req("TQ-40")
def test_nobody_claims_that_no_worker_lives_while_nobody_can_know() -> None:
    assert math.isnan(Shown().value("taskmapr_workers"))


def test_a_rate_needs_tokens_and_time() -> None:
    metrics.token_rate_measured(0, 1.0)
    metrics.token_rate_measured(5, 0.0)
    metrics.token_rate_measured(30, 2.0)

    assert Shown().value("taskmapr_tokens_per_second_sum") == 15


RECORD = """
import os, sys, time
import django; django.setup()
from taskmapr.foundation.telemetry import metrics
metrics.stream_opened(); metrics.tool_counted(tool="ui.click", provider="ui", ok=True)
print("recorded", flush=True); sys.stdin.read()
"""


@pytest.mark.req("OV-67")
def test_processes_show_each_others_figures_and_the_dead_hold_no_gauge(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "metrics"
    env = {**os.environ, "ENV": "dev", "TASKMAPR_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-c", RECORD, str(folder)]
    processes = [
        subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        assert [process.stdout.readline() for process in processes] == [b"recorded\n"] * 2
        (own,) = folder.iterdir()
        shared = replace(metrics.figures(), folder=own)
        monkeypatch.setattr(metrics, "figures", cache(lambda: shared))
        both = Shown()
        processes[0].kill()
        processes[0].wait()
        one = Shown()
    finally:
        for process in processes:
            process.kill()
            process.communicate()

    called = {"tool": "ui.click", "provider": "ui", "status": "completed"}
    assert both.value("taskmapr_open_streams") == 2
    assert one.value("taskmapr_open_streams") == 1
    assert one.value("taskmapr_tool_calls_total", **called) == 2

    settings.METRICS_DIR = str(own)
    metrics.metrics_clean()
    assert not own.exists()


def test_a_folder_that_cannot_be_made_costs_the_others_figures_and_nothing_else(
    settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    settings.METRICS_DIR = str(tmp_path / "file" / "metrics")
    metrics.stream_opened()

    assert Shown().value("taskmapr_open_streams") == 1
    assert "kept in memory" in caplog.text
