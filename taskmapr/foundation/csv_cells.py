"""What may stand in a cell of a table that people open in a spreadsheet."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

#: Spreadsheets take a text that begins so for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_cell(value: Any) -> Any:
    """The value as csv writes it: times in ISO 8601, texts so that none is carried out."""
    if isinstance(value, datetime):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
