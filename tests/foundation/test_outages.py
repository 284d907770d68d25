from __future__ import annotations

import logging

import pytest

from taskmapr.foundation.telemetry.outages import Outage


@pytest.fixture
def outage(caplog: pytest.LogCaptureFixture) -> Outage:
    caplog.set_level(logging.INFO)
    return Outage("Rain is away", impact="Flowers wilt.", action="Watering by hand.")


@pytest.mark.req("OV-44", "OV-63")
def test_the_warning_has_four_parts(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    outage.warn("no clouds.")

    assert caplog.messages == [
        "[TaskMapr] Rain is away. Reason: no clouds. Impact: Flowers wilt. Action: Watering by"
        " hand."
    ]


def test_an_exception_is_told_by_its_kind_only(
    outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    outage.warn(ConnectionError("at host:6379, password hunter2"))

    assert "Reason: ConnectionError. Impact" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.req("OV-44", "OV-63")
def test_it_is_not_repeated_at_once_and_its_end_is_told_once(
    outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        outage.warn("no clouds")
    outage.over("Rain is back")
    outage.over("Rain is back")

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
