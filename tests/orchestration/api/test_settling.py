"""What `settled` answers while a row still says `running` of a run that rests by its live log."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import pytest

from orchestration.api import settling
from orchestration.api.settling import settled
from taskmapr.core.ids import uuid7

RUN = uuid7()


class Log:
    """The live log of some runs."""

    def __init__(self, resting: set[UUID]) -> None:
        self.resting = resting
        self.asked: list[list[UUID]] = []

    async def at_rest(self, run_ids: Collection[UUID]) -> set[UUID]:
        self.asked.append(list(run_ids))
        return self.resting.intersection(run_ids)


async def looked(
    monkeypatch: pytest.MonkeyPatch, row: list[str], *, resting: bool
) -> tuple[str, list[list[UUID]], int]:
    """What was found of a row that says these words one after the other, what the log was asked,
    and how often the row was read."""
    log = Log({RUN} if resting else set())
    monkeypatch.setattr(settling, "live", lambda: log)
    reads = 0

    def says() -> str:
        nonlocal reads
        reads += 1
        return row[min(reads, len(row)) - 1]

    async def in_database(*_: object) -> list[UUID]:
        return [RUN] if says() == "running" else []

    async def look() -> str:
        return says()

    monkeypatch.setattr(settling, "in_database", in_database)
    found = await settled(look, running=lambda word: [RUN] if word == "running" else [])
    return found, log.asked, reads


@pytest.mark.req("IN-09", "IN-10")
@pytest.mark.parametrize("word", ["success", "paused"])
async def test_a_run_that_rests_by_its_log_is_told_when_the_row_says_so(
    monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    row = ["running", "running", word]
    assert await looked(monkeypatch, row, resting=True) == (word, [[RUN]], 4)


@pytest.mark.req("IN-09")
async def test_a_run_that_goes_on_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await looked(monkeypatch, ["running"], resting=False) == ("running", [[RUN]], 1)


@pytest.mark.req("IN-09")
@pytest.mark.parametrize("word", ["queued", "paused", "success"])
async def test_only_rows_that_say_running_may_be_behind(
    monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    # An empty question is one that asks nobody: test_log_reader.
    assert await looked(monkeypatch, [word], resting=True) == (word, [[]], 1)


@pytest.mark.req("IN-09")
async def test_nobody_waits_long_for_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "SETTLE_S", 0.05)
    found, _, _ = await looked(monkeypatch, ["running"], resting=True)
    assert found == "running"
