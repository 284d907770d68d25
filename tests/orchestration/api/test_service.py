from __future__ import annotations

from datetime import datetime

import pytest

from orchestration.api import service
from orchestration.api.service import prefers_html
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
