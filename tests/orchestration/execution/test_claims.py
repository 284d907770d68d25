"""Claiming runs in crowds, on a real event loop and a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError

from orchestration.execution import claims as claims_module
from orchestration.execution.claims import Claims
from orchestration.models import Run
from orchestration.services.leases import Claim, leases_claim
from taskmapr.core.ids import uuid7
from taskmapr.foundation import aio
from tests.orchestration.conftest import StartRun

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def threads(settings: Any) -> Iterator[None]:
    settings.TASKMAPR_AIO_INLINE = False
    yield
    aio.shutdown()


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many runs each visit to the database asked for."""
    sizes: list[int] = []

    def counted(*, run_ids: Any, worker_id: str) -> Any:
        sizes.append(len(run_ids))
        return leases_claim(run_ids=run_ids, worker_id=worker_id)

    monkeypatch.setattr(claims_module, "leases_claim", counted)
    return sizes


def claimed(run_ids: list[Any]) -> list[Claim | None]:
    async def all_of_them() -> list[Claim | None]:
        claims = Claims("w1", lambda: False)
        return list(await asyncio.gather(*(claims.claim(run_id) for run_id in run_ids)))

    return asyncio.run(all_of_them())


def test_runs_that_arrive_together_are_claimed_together(start: StartRun, visits: list[int]) -> None:
    runs = [start(session_id=f"s-{n}") for n in range(10)]

    claims = claimed([run.pk for run in runs])

    assert [claim.run_id if claim else None for claim in claims] == [run.pk for run in runs]
    assert sum(visits) == 10
    assert len(visits) <= 2
    assert Run.objects.filter(status="running", lease_owner="w1").count() == 10


@pytest.mark.req("TQ-18")
def test_of_two_jobs_for_one_run_one_gets_it(start: StartRun, visits: list[int]) -> None:
    run = start()

    first, second, unknown = claimed([run.pk, run.pk, uuid7()])

    assert first is not None
    assert (second, unknown) == (None, None)
    assert Run.objects.get(pk=run.pk).attempt == 1


def test_a_failed_visit_is_told_to_those_who_made_it_and_to_nobody_else(
    start: StartRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start()

    def broken(**_: Any) -> Any:
        monkeypatch.setattr(claims_module, "leases_claim", leases_claim)
        raise ValueError("no")

    monkeypatch.setattr(claims_module, "leases_claim", broken)

    async def twice() -> Claim | None:
        claims = Claims("w1", lambda: False)
        with pytest.raises(ValueError, match="no"):
            await claims.claim(run.pk)
        return await claims.claim(run.pk)

    claim = asyncio.run(twice())
    assert claim is not None


@pytest.mark.req("OV-63")
def test_it_waits_for_a_database_that_is_away(
    start: StartRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start()
    monkeypatch.setattr(claims_module, "AWAY_RETRY_S", 0.01)
    monkeypatch.setattr(claims_module, "loss_noted", lambda error: True)
    asked = iter([True, True, False])

    def away(**how: Any) -> Any:
        if next(asked):
            raise OperationalError("gone")
        return leases_claim(**how)

    monkeypatch.setattr(claims_module, "leases_claim", away)

    (claim,) = claimed([run.pk])
    assert claim is not None
