"""What a process remembers of the configuration, and what it knows while Postgres is away."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import OperationalError

from agents_cfg.selectors import fresh as module
from agents_cfg.selectors.fresh import FRESH_S, MOST_KNOWN, Fresh
from taskmapr.foundation import database_state

Moves = Callable[[float], None]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Moves:
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Empty: Postgres is there."""
    state: list[bool] = []
    monkeypatch.setattr(module, "database_is_away", lambda: bool(state))
    monkeypatch.setattr(database_state, "database_went_away", lambda error: state.append(True))
    return state


def lost() -> str:
    raise OperationalError("connection refused")


def test_an_answer_holds_for_two_seconds(later: Moves, away: list[bool]) -> None:
    fresh, answers = Fresh(), iter("ab")

    assert [fresh.get("k", lambda: next(answers)) for _ in range(3)] == ["a", "a", "a"]
    later(FRESH_S + 0.1)
    assert fresh.get("k", lambda: next(answers)) == "b"


def test_what_was_known_last_holds_while_postgres_is_away(later: Moves, away: list[bool]) -> None:
    fresh = Fresh()
    fresh.get("k", lambda: "old")
    later(3600)

    assert fresh.get("k", lost) == "old"
    assert away == [True], "it told the others"
    with pytest.raises(OperationalError):
        fresh.get("never asked", lost)


def test_a_change_makes_it_ask_again_and_loses_nothing(away: list[bool]) -> None:
    fresh = Fresh()
    fresh.get("k", lambda: "old")

    fresh.forget()

    assert fresh.get("k", lost) == "old"
    assert fresh.known("k") == "old"
    away.clear()
    assert fresh.get("k", lambda: "new") == "new"


def test_requests_cannot_fill_the_memory(away: list[bool]) -> None:
    fresh = Fresh()
    for number in range(3 * MOST_KNOWN):
        fresh.get(number, lambda: "x")

    assert sum(fresh.known(number) is not None for number in range(3 * MOST_KNOWN)) <= MOST_KNOWN
