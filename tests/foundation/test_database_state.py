from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest
from django.db import OperationalError
from psycopg.errors import DeadlockDetected
from psycopg_pool import PoolTimeout

from taskmapr.foundation import database_state
from taskmapr.foundation.database_state import (
    DatabaseGate,
    asked_or,
    database_is_away,
    database_went_away,
)
from tests.modelserver.process import wait_until


class Postgres:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.is_up = threading.Event()
        self.asked = 0

    def answers(self) -> bool:
        self.asked += 1
        return self.is_up.wait(0.01)


@pytest.fixture
def postgres() -> Postgres:
    return Postgres()


@pytest.mark.req("OV-63")
def test_it_is_away_until_it_answers(postgres: Postgres) -> None:
    gate = DatabaseGate(postgres.answers)
    assert not gate.is_away
    gate.went_away(OperationalError())
    assert gate.is_away
    wait_until(lambda: postgres.asked > 0, timeout_s=5)
    postgres.is_up.set()
    wait_until(lambda: not gate.is_away, timeout_s=5)


@pytest.mark.req("OV-63")
def test_many_losses_make_one_warning_with_four_parts(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    gate = DatabaseGate(postgres.answers)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            gate.went_away(OperationalError())
        postgres.is_up.set()
        wait_until(lambda: not gate.is_away, timeout_s=5)
        gate.went_away(OperationalError())
        wait_until(lambda: not gate.is_away, timeout_s=5)
    (record,) = [r for r in caplog.records if r.name == "taskmapr.foundation.telemetry.outages"]
    for part in ("cannot be reached", "Reason:", "Impact:", "Action:"):
        assert part in record.getMessage()


@pytest.mark.req("OV-63")
def test_a_burst_that_uses_up_the_connections_is_no_outage(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_state, "_gate", DatabaseGate(postgres.answers))
    monkeypatch.setattr(database_state, "_postgres_answers", postgres.answers)
    error = OperationalError("couldn't get a connection")
    error.__cause__ = PoolTimeout()
    postgres.is_up.set()

    database_went_away(error)
    assert not database_is_away()
    assert database_state.database_outages() == 0

    postgres.is_up.clear()
    database_went_away(error)
    assert database_is_away()
    postgres.is_up.set()
    wait_until(lambda: not database_is_away(), timeout_s=5)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """The losses that this process was told of."""
    heard: list[BaseException] = []
    monkeypatch.setattr(database_state, "database_went_away", heard.append)
    return heard


def fails(error: Exception) -> Callable[[], str]:
    def ask() -> str:
        raise error

    return ask


@pytest.mark.req("OV-63")
def test_who_asks_gets_the_other_answer_when_the_database_goes_away_meanwhile(
    told: list[BaseException],
) -> None:
    gone = OperationalError("gone")

    assert asked_or(lambda: "stored", lambda: "other") == "stored"
    assert told == []
    assert asked_or(fails(gone), lambda: "other") == "other"
    assert told == [gone]


def test_a_database_that_is_away_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_state, "database_is_away", lambda: True)

    assert asked_or(fails(AssertionError("asked")), lambda: "other") == "other"


def test_a_query_that_failed_is_no_loss(told: list[BaseException]) -> None:
    deadlock = OperationalError("deadlock")
    deadlock.__cause__ = DeadlockDetected()

    with pytest.raises(OperationalError, match="deadlock"):
        asked_or(fails(deadlock), lambda: "other")
    assert told == []
