"""Charts as shapes in a square of 100 by 100, which the page stretches to its width. Pure.

Everything that a chart shows is also in its table: shapes are for eyes, the table is for everyone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

#: Labels below a chart at most; a phone shows every second one.
_LABELS: Final = 7
_GAP: Final = 0.18
_STEPS: Final = (1, 2, 4, 5, 8, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One row of numbers, a number per period; None where there is none. `key` names its colour."""

    key: str
    title: str
    values: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a position: percent from the left, or from the top."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    key: str
    y: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A period: its width, its words for the pointer, its blocks from the bottom up."""

    x: float
    width: float
    title: str
    blocks: Sequence[Block] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """`paths`: points "x,y x,y" of each unbroken piece; `dots`: pieces of one point alone."""

    key: str
    paths: Sequence[str]
    dots: Sequence[tuple[float, float]]


Words = Callable[[int | None], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """What a chart is about: a value of each series for each label, and how values are written."""

    name: str
    title: str
    x_title: str
    y_title: str
    labels: Sequence[str]
    series: Sequence[Series]
    words: Words

    @property
    def width(self) -> float:
        """Of one period."""
        return 100 / max(1, len(self.labels))

    def told(self, number: int) -> str:
        """A period in words, for the pointer."""
        parts = [
            f"{row.title} {self.words(row.values[number])}"
            for row in self.series
            if row.values[number]
        ]
        return f"{self.labels[number]}: {', '.join(parts) or 'nothing'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    plot: Plot
    columns: Sequence[Column]
    lines: Sequence[Line]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    #: The table beside it: a head and one row of words per period.
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def is_empty(self) -> bool:
        return not any(value for row in self.plot.series for value in row.values)


def stacked_bars(plot: Plot) -> Chart:
    """Periods as bars, the series above each other."""
    heights = zip(*(row.values for row in plot.series), strict=True)
    top = scale_top(max((sum(value or 0 for value in values) for values in heights), default=0))
    columns = [
        Column(
            x=plot.width * (number + _GAP / 2),
            width=plot.width * (1 - _GAP),
            title=plot.told(number),
            blocks=_stack(plot.series, number, top),
        )
        for number in range(len(plot.labels))
    ]
    return _chart(plot, top, columns, ())


def lines(plot: Plot) -> Chart:
    """Series as lines that break where there is no value."""
    top = scale_top(max((value or 0 for row in plot.series for value in row.values), default=0))
    columns = [
        Column(x=plot.width * number, width=plot.width, title=plot.told(number))
        for number in range(len(plot.labels))
    ]
    return _chart(plot, top, columns, [_line(row, plot.width, top) for row in plot.series])


def scale_top(highest: int) -> int:
    """The smallest round number that is not below the highest value, and at least 1."""
    power = 1
    while highest > 10 * power:
        power *= 10
    return next(step * power for step in _STEPS if step * power >= highest)


def _stack(series: Sequence[Series], number: int, top: int) -> list[Block]:
    blocks, floor = [], 100.0
    for row in series:
        height = 100 * (row.values[number] or 0) / top
        if height:
            floor -= height
            blocks.append(Block(row.key, floor, height))
    return blocks


def _line(row: Series, width: float, top: int) -> Line:
    points = [
        None if value is None else (width * (number + 0.5), 100 - 100 * value / top)
        for number, value in enumerate(row.values)
    ]
    pieces = [
        [point for point in piece if point is not None]
        for is_there, piece in groupby(points, key=lambda point: point is not None)
        if is_there
    ]
    paths = [" ".join(f"{x:.2f},{y:.2f}" for x, y in piece) for piece in pieces if len(piece) > 1]
    return Line(row.key, paths, [piece[0] for piece in pieces if len(piece) == 1])


def _chart(plot: Plot, top: int, columns: Sequence[Column], drawn: Sequence[Line]) -> Chart:
    every = -(-len(plot.labels) // _LABELS) or 1
    return Chart(
        plot=plot,
        columns=columns,
        lines=drawn,
        x_ticks=[
            Tick(plot.width * (number + 0.5), plot.labels[number])
            for number in range(0, len(plot.labels), every)
        ],
        # Quarters of the height that are whole numbers.
        y_ticks=[
            Tick(100 - 25 * part, plot.words(top * part // 4))
            for part in range(5)
            if top * part % 4 == 0
        ],
        head=(plot.x_title, *(row.title for row in plot.series)),
        rows=[
            (label, *(plot.words(row.values[number]) for row in plot.series))
            for number, label in enumerate(plot.labels)
        ],
    )
