from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from taskmapr.foundation.csv_cells import csv_cell

SOME_ID = UUID(int=7)


@pytest.mark.parametrize("text", ["=1+1", "+49 30", "-2", "@A1", "\t=1", "\r=1", "\n=1"])
def test_no_text_is_a_formula(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["done", "a=b", "", -2, None, SOME_ID])
def test_everything_else_is_itself(value: Any) -> None:
    assert csv_cell(value) == value


def test_times_are_told_exactly() -> None:
    assert csv_cell(datetime(2026, 11, 1, 9, 30, tzinfo=UTC)) == "2026-11-01T09:30:00+00:00"
