"""What is kept of exceptions of tools."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestration.log.crashes import STACK_BYTES, stack_fitted, tool_crash
from taskmapr.core.events import ToolCrashed

pytestmark = pytest.mark.req("IN-28")


def crash_of(broken: Callable[[], object]) -> ToolCrashed:
    try:
        broken()
    except Exception as error:
        return tool_crash(error, call_id="c1", tool="test.break")
    raise AssertionError("it did not break")


def _low(word: str) -> None:
    raise LookupError(f"no {word} here")


def _high() -> None:
    try:
        _low("marigold")
    except LookupError as error:
        raise RuntimeError("found no marigold") from error


def _deep(left: int, text: str) -> None:
    if left:
        _other(left - 1, text)
    raise ValueError(text)


def _other(left: int, text: str) -> None:
    _deep(left, text)


def test_the_stack_tells_where_and_not_what() -> None:
    crash = crash_of(_high)

    assert (crash.exception, crash.call_id, crash.tool) == ("RuntimeError", "c1", "test.break")
    first, second = crash.stack.split("because of")
    assert "in _high" in first
    assert "in _low" in second
    assert second.startswith(" LookupError\n")
    assert "no marigold here" not in crash.stack
    assert crash.message.splitlines() == [
        "RuntimeError: found no marigold",
        "LookupError: no marigold here",
    ]


def test_what_was_meant_to_be_hidden_stays_so() -> None:
    def hide() -> None:
        try:
            _low("x")
        except LookupError:
            raise RuntimeError("short") from None

    assert crash_of(hide).message == "RuntimeError: short"


@pytest.mark.parametrize("word", ["x", "\u20ac", "\ud800", "\x00"])
def test_a_long_one_keeps_both_ends(word: str) -> None:
    crash = crash_of(lambda: _deep(100, word * 10_000_000))

    assert len(crash.stack.encode()) <= STACK_BYTES
    assert "in crash_of" in crash.stack
    assert crash.stack.rstrip().endswith("raise ValueError(text)")
    assert "[cut]" in crash.stack
    assert len(crash.message) <= 2_000
    crash.message.encode()


def test_secrets_are_masked() -> None:
    def open_it() -> None:
        raise ConnectionError("postgres://ada:hunter2@db/x refused password=hunter3")

    crash = crash_of(open_it)

    assert "hunter" not in crash.message + crash.stack
    assert "ConnectionError: postgres://ada:" in crash.message


def test_a_secret_on_the_edge_of_what_is_kept_is_masked() -> None:
    text = "a" * (STACK_BYTES // 2 - 20) + " password=" + "s" * 40 + "b" * STACK_BYTES

    assert "sss" not in stack_fitted(text)


def test_an_exception_that_cannot_be_told_is_told_as_such() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    def mute() -> None:
        raise Mute

    assert "Mute" in crash_of(mute).message
