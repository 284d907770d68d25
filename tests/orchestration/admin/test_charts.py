"""orchestration.admin.charts: numbers as shapes, and as words beside them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orchestration.admin.charts import Plot, Series, lines, scale_top, stacked_bars


def plot(*series: Sequence[int | None], labels: Sequence[str] = ("a", "b")) -> Plot:
    return Plot(
        name="x",
        title="X",
        x_title="Time",
        y_title="Runs",
        labels=labels,
        series=[Series(key=f"s{n}", title=f"S{n}", values=v) for n, v in enumerate(series)],
        words=lambda value: "none" if value is None else str(value),
    )


@pytest.mark.parametrize(
    ("highest", "top"),
    [(0, 1), (1, 1), (3, 4), (7, 8), (9, 10), (11, 20), (260, 400), (1001, 2000)],
)
def test_a_scale_ends_at_the_next_round_number(highest: int, top: int) -> None:
    assert scale_top(highest) == top


def test_bars_stand_on_each_other_and_reach_the_value() -> None:
    chart = stacked_bars(plot([3, 0], [1, 2]))

    first, second = chart.columns
    assert [(b.key, b.y, b.height) for b in first.blocks] == [("s0", 25, 75), ("s1", 0, 25)]
    assert [(b.key, b.y, b.height) for b in second.blocks] == [("s1", 50, 50)]
    assert (first.title, second.title) == ("a: S0 3, S1 1", "b: S1 2")


def test_lines_break_where_nothing_was_measured() -> None:
    chart = lines(plot([10, 5, None, 10], labels="abcd"))

    assert chart.lines[0].paths == ["12.50,0.00 37.50,50.00"]
    assert chart.lines[0].dots == [(87.5, 0.0)]


def test_the_table_has_every_value_in_words() -> None:
    chart = lines(plot([10, None]))

    assert chart.head == ("Time", "S0")
    assert chart.rows == [("a", "10"), ("b", "none")]


def test_only_whole_numbers_label_the_height() -> None:
    assert [(t.at, t.text) for t in stacked_bars(plot([2, 1])).y_ticks] == [
        (100, "0"),
        (50, "1"),
        (0, "2"),
    ]


def test_is_empty_without_any_value() -> None:
    assert stacked_bars(plot([0, 0])).is_empty
    assert lines(plot([None], labels="a")).is_empty
    assert stacked_bars(plot([], labels=())).is_empty
    assert not lines(plot([0, 1])).is_empty
