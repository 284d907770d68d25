"""What `settled` answers while the row of a run that has ended still says that it goes on."""

from __future__ import annotations

from uuid import UUID

import pytest

from orchestration.api import settling
from orchestration.api.settling import settled
from taskmapr.core.ids import uuid7


class Log:
    """The live log of one run."""

    def __init__(self, has_ended: bool) -> None:
        self.ended = has_ended
        self.asked = 0

    async def has_ended(self, run_id: UUID) -> bool:
        self.asked += 1
        return self.ended


async def looked(
    monkeypatch: pytest.MonkeyPatch, row: list[str], *, has_ended: bool
) -> tuple[str, int]:
    """What was found of a row that says these words one after the other, and the looks at the
    log."""
    log = Log(has_ended)
    monkeypatch.setattr(settling, "live", lambda: log)
    said = iter(row)

    async def look() -> str:
        return next(said)

    found = await settled(look, run_id=lambda _: uuid7(), is_over=lambda word: word == "success")
    return found, log.asked


@pytest.mark.req("IN-09", "IN-10")
async def test_a_run_that_the_log_has_ended_is_told_when_the_row_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = ["running", "running", "success"]
    assert await looked(monkeypatch, row, has_ended=True) == ("success", 1)


@pytest.mark.req("IN-09")
async def test_a_run_that_goes_on_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await looked(monkeypatch, ["running"], has_ended=False) == ("running", 1)


@pytest.mark.req("IN-09")
async def test_the_log_is_not_asked_of_a_run_that_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await looked(monkeypatch, ["success"], has_ended=True) == ("success", 0)


@pytest.mark.req("IN-09")
async def test_nobody_waits_long_for_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "SETTLE_S", 0.05)
    row = ["running"] * 1000
    assert await looked(monkeypatch, row, has_ended=True) == ("running", 1)
