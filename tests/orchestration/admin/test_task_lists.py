"""/admin/orchestration/run/?kind=…: the lists of tasks and of jobs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from orchestration.admin.run_lists import subjects_of
from orchestration.models import Run

LIST = "/admin/orchestration/run/"
TASK: dict[str, Any] = {"kind": "task", "session": None, "model": "", "first_output_ms": None}
JOB: dict[str, Any] = {**TASK, "kind": "intent", "is_sealed": True, "input": {}}


def _listed(client: Client, query: str) -> str:
    answer = client.get(f"{LIST}?{query}")
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.req("TQ-41")
def test_tasks_are_named_by_their_type_with_their_attempts(
    admin_client: Client,
    finished: Callable[..., Run],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(20):
        finished(**TASK, subject="nightly.report", attempt=2, max_attempts=4, status="failed")

    with django_assert_max_num_queries(12):
        body = _listed(admin_client, "kind=task")

    assert body.count("<span>nightly.report</span>") == 20
    assert body.count("attempt 2 of 4") == 20


@pytest.mark.req("IN-50")
def test_jobs_are_named_by_their_intent_and_mode_though_sealed(
    admin_client: Client, finished: Callable[..., Run]
) -> None:
    finished(**JOB, subject="shop.refund", mode="flow", credential="key:0123456789abcdef")

    body = _listed(admin_client, "kind=intent")

    assert "shop.refund" in body
    assert "intent, flow" in body
    assert "by key" in body


@pytest.mark.req("TQ-41")
@pytest.mark.parametrize("wanted", ["kind=task", "subject=report", "mode=flow", "look=put_off"])
def test_filters(admin_client: Client, finished: Callable[..., Run], wanted: str) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    right = finished(
        **TASK, subject="report", mode="flow", status="queued", finished_at=None, due_at=soon
    )
    wrong = finished(**JOB, subject="refund", mode="agent", due_at=soon)

    body = _listed(admin_client, wanted)

    assert f"{right.pk}/change" in body
    assert f"{wrong.pk}/change" not in body
    assert "waits for its time" in body


def test_subjects_are_those_of_the_kind(db: None, finished: Callable[..., Run]) -> None:
    for subject in ("report", "backup", "report"):
        finished(**TASK, subject=subject)
    finished(**JOB, subject="refund")
    finished()

    assert subjects_of("task") == ["backup", "report"]
    assert subjects_of("") == ["backup", "refund", "report"]


@pytest.mark.parametrize(
    ("query", "title"), [("", "Runs"), ("kind=task", "Tasks"), ("kind=intent", "Jobs")]
)
def test_the_sidebar_marks_the_list_that_is_shown(
    admin_client: Client, query: str, title: str
) -> None:
    context = admin_client.get(f"{LIST}?{query}").context

    items = [item for group in context["sidebar_navigation"] for item in group["items"]]
    assert [item["title"] for item in items if item["active"]] == [title]
    assert context["title"] == title
