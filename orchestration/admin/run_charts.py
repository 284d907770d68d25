"""Charts that the pages of figures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from orchestration.admin.charts import Chart, Plot, Series, lines, stacked_bars
from taskmapr.foundation.figures import UNKNOWN, count_text, duration_text, money_text

TIME: Final = "Time (UTC)"
#: How runs ended: the chart's series, from the bottom up.
_ENDS: Final = {
    "succeeded": "Succeeded",
    "failed": "Failed",
    "timed_out": "Timed out",
    "cancelled": "Cancelled",
    "still_open": "Not over yet",
}
_PERCENTILES: Final = {"p50": "Half (p50)", "p95": "95 % (p95)", "p99": "99 % (p99)"}


def ends_chart(title: str, y_title: str, labels: Sequence[str], periods: Sequence[Any]) -> Chart:
    """periods: each has the numbers of _ENDS."""
    return stacked_bars(
        Plot(
            name="runs",
            title=title,
            x_title=TIME,
            y_title=y_title,
            labels=labels,
            series=[
                Series(key=key, title=words, values=[getattr(p, key) for p in periods])
                for key, words in _ENDS.items()
            ],
            words=count_text,
        )
    )


def percentile_chart(of: str, title: str, labels: Sequence[str], periods: Sequence[Any]) -> Chart:
    """of: the attribute of each period that holds its Percentiles."""
    return lines(
        Plot(
            name=of,
            title=title,
            x_title=TIME,
            y_title="Duration",
            labels=labels,
            series=[
                Series(key=key, title=words, values=[getattr(getattr(p, of), key) for p in periods])
                for key, words in _PERCENTILES.items()
            ],
            words=duration_text,
        )
    )


def cost_chart(
    title: str, x_title: str, labels: Sequence[str], micros: Sequence[int | None]
) -> Chart:
    """What is known of the costs; a bar that is not known is absent."""
    return stacked_bars(
        Plot(
            name="cost",
            title=title,
            x_title=x_title,
            y_title="Dollars",
            labels=labels,
            series=[Series(key="p50", title="Cost", values=micros)],
            words=_dollars_text,
        )
    )


def _dollars_text(micros: int | None) -> str:
    """A mark of an axis: whole dollars without decimals."""
    if micros is None:
        return UNKNOWN
    return f"$ {micros // 1_000_000}" if micros % 1_000_000 == 0 else money_text(micros)
