"""Who may work on a batch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from redis import Redis

from orchestration.models import BatchLease, Run
from orchestration.services import expiring_marks
from orchestration.services.batch_leases import (
    batch_lease_release,
    batch_lease_take,
    site_place_take,
)
from tests.orchestration.conftest import StartRun

pytestmark = [pytest.mark.django_db, pytest.mark.req("TQ-47")]


@pytest.fixture(params=["with Redis", "without Redis"], autouse=True)
def marks(
    request: pytest.FixtureRequest, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The row decides, whether Redis answers first or is away."""
    url = redis_url if request.param == "with Redis" else "redis://127.0.0.1:1"
    with Redis.from_url(redis_url) as client:
        client.flushdb()
    with Redis.from_url(url) as client:
        monkeypatch.setattr(expiring_marks, "redis_client", lambda: client)
        yield


def taken(run_id: UUID, *, left_s: float = 60) -> bool:
    until = datetime.now(UTC) + timedelta(seconds=left_s)
    return batch_lease_take(site="esc", batch_id="7", run_id=run_id, until=until)


def holder() -> UUID:
    return BatchLease.objects.get().run_id


def test_it_is_one_runs_who_may_take_it_again(start: StartRun) -> None:
    first, second = start().pk, start(session_id="s-2").pk

    assert taken(first)
    assert not taken(second)
    assert taken(first, left_s=600)

    assert holder() == first
    assert BatchLease.objects.get().expires_at > datetime.now(UTC) + timedelta(seconds=500)


def test_a_run_that_is_over_leaves_it(start: StartRun) -> None:
    first, second = start().pk, start(session_id="s-2").pk
    taken(first)
    Run.objects.filter(pk=first).update(status="failed", finished_at=datetime.now(UTC))

    assert taken(second)
    assert holder() == second


def test_it_lapses(start: StartRun, redis_url: str) -> None:
    first, second = start().pk, start(session_id="s-2").pk
    taken(first)
    BatchLease.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    with Redis.from_url(redis_url) as client:
        client.flushdb()  # the mark has lapsed as well

    assert taken(second)


def test_only_its_holder_gives_it_back(start: StartRun) -> None:
    first, second = start().pk, start(session_id="s-2").pk
    taken(first)

    batch_lease_release(site="esc", batch_id="7", run_id=second)
    assert not taken(second)
    batch_lease_release(site="esc", batch_id="7", run_id=first)
    assert taken(second)


@pytest.mark.req("TQ-48")
def test_an_account_of_a_site_has_so_many_places(
    start: StartRun, request: pytest.FixtureRequest
) -> None:
    runs = [start(session_id=f"s-{n}").pk for n in range(3)]
    until = datetime.now(UTC) + timedelta(minutes=1)

    found = [
        site_place_take(site="esc", account="ada", run_id=run, until=until, places=2)
        for run in runs
    ]

    if "without Redis" in request.node.name:
        assert found == ["", "", ""]
    else:
        assert len({*found}) == 3
        assert found[2] is None
