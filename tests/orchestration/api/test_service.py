from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from orchestration.api import service
from orchestration.api.service import prefers_html
from orchestration.selectors import health
from orchestration.selectors.health import HealthCheck
from tests.orchestration.api.conftest import Call


@pytest.fixture(autouse=True)
def _no_cached_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_check", HealthCheck())


@pytest.mark.req("OV-58")
def test_the_root_tells_programs_what_is_here(call: Call) -> None:
    answer = call("GET", "/", user=None, accept="*/*")

    told = answer.json
    assert (told["status"], told["service"]) == ("ok", "taskmapr")
    assert told["endpoints"]["taskmapr"] == "/api/taskmapr/orchestrate"
    assert {"version", "mcp_available"} <= told.keys()


@pytest.mark.req("OV-58")
@pytest.mark.parametrize(
    ("accept", "is_html"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("application/json, text/html;q=0.5", False),
        ("*/*", False),
        ("", False),
        ("text/html;q=x", False),
    ],
)
def test_only_browsers_get_a_page(accept: str, is_html: bool) -> None:
    assert prefers_html(accept) is is_html


@pytest.mark.req("OV-59")
def test_health_without_a_worker_is_degraded(call: Call) -> None:
    answer = call("GET", "/health", user=None)

    told = answer.json
    assert answer.status == 200
    assert (told["status"], told["db"], told["redis"]) == ("degraded", "connected", "connected")
    assert told["workers"] == 0
    assert told["queue_depth"]["runs.overlay"] == 0
    datetime.fromisoformat(told["timestamp"])


@pytest.mark.req("VB-87")
@pytest.mark.parametrize("path", ["/api/v1/health", "/api/v1/health/"])
def test_a_process_that_answers_is_alive(
    call: Call, path: str, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        answer = call("GET", path, user=None)

    assert (answer.status, answer.json) == (200, {"status": "ok", "version": settings.VERSION})


@pytest.mark.req("VB-87")
def test_it_is_ready_when_nothing_is_missing(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_queue", lambda: (True, 1, {}))

    answer = call("GET", "/health/ready", user=None)

    assert (answer.status, answer.json) == (200, {"status": "ready", "failing": []})


@pytest.mark.req("VB-87")
@pytest.mark.parametrize(
    ("check", "found", "name"),
    [
        ("_database", False, "database"),
        ("_queue", (False, 0, {}), "redis"),
        ("_queue", (True, 0, {}), "workers"),
        ("_storage", False, "storage"),
    ],
)
def test_what_is_missing_is_named(
    call: Call, monkeypatch: pytest.MonkeyPatch, check: str, found: Any, name: str
) -> None:
    monkeypatch.setattr(health, "_queue", lambda: (True, 1, {}))
    monkeypatch.setattr(health, check, lambda: found)

    answer = call("GET", "/health/ready", user=None)

    assert (answer.status, answer.json["status"]) == (503, "not ready")
    assert name in answer.json["failing"]
    assert answer.json.keys() == {"status", "failing"}


@pytest.mark.req("VB-87")
def test_storage_is_a_folder_that_can_be_written(
    call: Call, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path == tmp_path)
    folder = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    for location, can_be_written in ((tmp_path / "not" / "yet", True), (tmp_path.parent, False)):
        options = {"OPTIONS": {"location": location}}
        settings.STORAGES = {**settings.STORAGES, "artifacts": {**folder, **options}}
        assert health._storage() is can_be_written


@pytest.mark.req("OV-59", "OV-44")
@pytest.mark.parametrize(
    ("mcp", "status"),
    [("available", "healthy"), ("unavailable", "degraded"), ("not configured", "healthy")],
)
def test_tool_servers_that_are_away_degrade_it(
    call: Call, monkeypatch: pytest.MonkeyPatch, mcp: str, status: str
) -> None:
    monkeypatch.setattr(health, "_queue", lambda: (True, 1, {}))
    monkeypatch.setattr(health, "mcp_state", lambda: mcp)

    answer = call("GET", "/health", user=None)
    root = call("GET", "/", user=None)

    assert (answer.status, answer.json["status"], answer.json["mcp"]) == (200, status, mcp)
    assert root.json["mcp_available"] is (mcp == "available")


@pytest.mark.req("OV-59", "OV-S15")
def test_health_without_redis_is_unhealthy(call: Call, ports: object, settings: object) -> None:
    from dataclasses import replace

    from taskmapr import wiring
    from taskmapr.core import wired

    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # type: ignore[attr-defined]
    wired.wire(replace(wired.ports(), signals=wiring.build().signals))

    answer = call("GET", "/health", user=None)

    assert (answer.status, answer.json["status"]) == (503, "unhealthy")
    assert answer.json["redis"] == "not connected"
