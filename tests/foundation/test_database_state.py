from __future__ import annotations

import logging
import threading

import pytest
from django.db import OperationalError

from taskmapr.foundation.database_state import DatabaseGate
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
