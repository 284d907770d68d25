"""Lists of the admin ask the database few questions, however many rows they show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from orchestration.models import (
    BatchApproval,
    BatchLease,
    Delivery,
    IdempotencyKey,
    ModeRule,
    Run,
    Site,
    TaskSchedule,
)

ROWS = 30
#: What one page of a list may ask.
MOST = 12


def _rows(run: Run) -> dict[str, Callable[[int], Any]]:
    soon = datetime.now(UTC) + timedelta(hours=1)
    owner = run.owner
    return {
        "taskschedule": lambda n: TaskSchedule(
            name=f"s{n}", task_type="test_task", owner=owner, every_s=60, last_run=run
        ),
        "site": lambda n: Site(name=f"site-{n}", base_url="https://site.example"),
        "batchapproval": lambda n: BatchApproval(
            site="esc", batch_id=str(n), run_id=run.pk, user=owner, principal="user:1"
        ),
        "batchlease": lambda n: BatchLease(
            site="esc", batch_id=str(n), run_id=run.pk, expires_at=soon
        ),
        "moderule": lambda n: ModeRule(number=n, pattern=f"crm.{n}", user=owner),
        "idempotencykey": lambda n: IdempotencyKey(
            owner=owner, key=f"k{n}", fingerprint="f", run=run, expires_at=soon
        ),
        "delivery": lambda n: Delivery(run=run, url=f"https://shop.example/{n}"),
    }


@pytest.mark.req("IN-47", "TQ-41")
@pytest.mark.parametrize(
    "name",
    [
        "taskschedule",
        "site",
        "batchapproval",
        "batchlease",
        "moderule",
        "idempotencykey",
        "delivery",
    ],
)
def test_a_full_list_asks_at_most_twelve_questions(
    admin_client: Client,
    finished: Callable[..., Run],
    django_assert_max_num_queries: DjangoAssertNumQueries,
    name: str,
) -> None:
    make = _rows(finished(kind="task", subject="test_task"))[name]
    rows = [make(n) for n in range(ROWS)]
    type(rows[0])._default_manager.bulk_create(rows)

    with django_assert_max_num_queries(MOST):
        body = admin_client.get(f"/admin/orchestration/{name}/").content.decode()

    assert body.count("<tbody") == ROWS
