"""The event log can only grow, whoever asks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError

from orchestration.log.partitions import MONTHS_AHEAD, partition_names, partitions_ensure
from orchestration.models import RunEvent
from taskmapr.core.ids import uuid7

pytestmark = pytest.mark.django_db


@pytest.fixture
def event() -> RunEvent:
    return RunEvent.objects.create(
        run_id=uuid7(),
        seq=1,
        kind="run.created",
        data={"run_kind": "overlay"},
        at=datetime.now(UTC),
    )


@pytest.mark.req("OV-02")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE agent_run_events SET kind = 'error'",
        "DELETE FROM agent_run_events",
        "TRUNCATE agent_run_events",
    ],
)
def test_the_database_refuses_to_change_it(event: RunEvent, statement: str) -> None:
    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)

    assert RunEvent.objects.count() == 1


@pytest.mark.req("OV-02")
def test_the_manager_and_the_model_refuse_to_change_it(event: RunEvent) -> None:
    event.kind = "error"
    with pytest.raises(TypeError, match="append-only"):
        event.save()
    with pytest.raises(TypeError, match="append-only"):
        event.delete()
    with pytest.raises(TypeError, match="append-only"):
        RunEvent.objects.all().delete()
    with pytest.raises(TypeError, match="append-only"):
        RunEvent.objects.update(kind="error")


def test_a_number_is_given_once(event: RunEvent) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        RunEvent.objects.create(
            run_id=event.run_id, seq=1, kind="error", data={}, at=datetime.now(UTC)
        )


def test_an_event_lies_in_the_partition_of_its_runs_month(event: RunEvent) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM agent_run_events")
        (partition,) = cursor.fetchone()

    assert partition == f"agent_run_events_{datetime.now(UTC):%Y_%m}"


def test_partitions_are_made_a_year_ahead_and_once() -> None:
    later = datetime(datetime.now(UTC).year + 2, 5, 3, tzinfo=UTC)

    made = partitions_ensure(later)

    assert len(made) == MONTHS_AHEAD + 1
    assert f"agent_run_events_{later.year}_05" in partition_names()
    assert partitions_ensure(later) == []
