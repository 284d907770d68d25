"""Numbers as people read them."""

from __future__ import annotations

import pytest

from taskmapr.foundation.figures import (
    NONE,
    bytes_text,
    count_text,
    duration_text,
    money_text,
    short_id,
)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, NONE),
        (0, "0 ms"),
        (999, "999 ms"),
        (1400, "1.4 s"),
        (59_949, "59.9 s"),
        (59_999, "1 min 00 s"),
        (125_000, "2 min 05 s"),
        (11_220_000, "3 h 07 min"),
    ],
)
def test_durations(milliseconds: int | None, text: str) -> None:
    assert duration_text(milliseconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, NONE),
        (0, "0"),
        (999, "999"),
        (12_300, "12.3 k"),
        (999_999, "1.0 M"),
        (4_100_000, "4.1 M"),
    ],
)
def test_counts(number: int | None, text: str) -> None:
    assert count_text(number) == text


@pytest.mark.parametrize(
    ("micros", "tokens", "text"),
    [
        (None, 0, NONE),
        (None, 12, "unknown"),
        (0, 12, "$ 0.0000"),
        (12_300, 12, "$ 0.0123"),
        (12_345_678, 12, "$ 12.3457"),
    ],
)
def test_money_is_unknown_rather_than_nothing_when_no_price_is_known(
    micros: int | None, tokens: int, text: str
) -> None:
    assert money_text(micros, tokens=tokens) == text


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB")])
def test_sizes(size: int, text: str) -> None:
    assert bytes_text(size) == text


def test_long_ids_show_their_end() -> None:
    assert short_id("0193a1f2-7c41-7d11-9b00-5a6b7c8d9e0f") == "…5a6b7c8d9e0f"
    assert short_id("demo") == "demo"
