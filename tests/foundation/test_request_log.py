"""The line that each request of the API leaves in the log."""

from __future__ import annotations

import logging
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

NAME = "taskmapr.foundation.telemetry.requests"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.DEBUG, logger=NAME)
    return lambda: [record for record in caplog.records if record.name == NAME]


@pytest.mark.req("VB-83")
@pytest.mark.django_db
def test_a_request_is_one_line_with_its_route_and_without_its_query(lines: Any) -> None:
    run_id = uuid4()

    Client().get(f"/api/taskmapr/runs/{run_id}?access_token=very-secret")

    (line,) = lines()
    assert line.levelno == logging.INFO
    assert (line.method, line.path, line.status) == (
        "GET",
        "/api/taskmapr/runs/<str:run_id>",
        401,
    )
    assert 0 < line.duration_ms < 10_000
    assert "very-secret" not in line.getMessage()
    assert str(run_id) not in line.getMessage()


@pytest.mark.req("VB-83")
def test_a_path_that_does_not_exist_is_not_repeated(lines: Any) -> None:
    Client().get("/api/token/very-secret")

    assert [(line.path, line.status) for line in lines()] == [("/unmatched", 404)]


@pytest.mark.req("VB-83")
def test_pages_leave_no_line(lines: Any) -> None:
    Client().get("/docs")

    assert lines() == []


@pytest.mark.parametrize("status", [200, 503])
def test_probes_are_news_only_when_they_fail(lines: Any, status: int, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.foundation.probe_urls"

    Client().get("/health", headers={"X-Wanted-Status": str(status)})

    assert [line.levelno for line in lines()] == [logging.DEBUG if status == 200 else logging.INFO]
