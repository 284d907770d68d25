"""What a worker process tells of the queues that it takes jobs from."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from orchestration.execution import executor as executor_module
from taskmapr import celery


@pytest.mark.req("OV-64")
def test_they_are_those_that_celery_was_started_with(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Iterable[str]] = []
    monkeypatch.setattr(executor_module, "executor_start", told.append)
    monkeypatch.setattr(celery.app.amqp.queues, "_consume_from", None)
    celery.app.amqp.queues.select(["chores", "runs.shop"])

    celery._begin()

    assert [sorted(queues) for queues in told] == [["chores", "runs.shop"]]
