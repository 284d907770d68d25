"""JSON as operators read it."""

from __future__ import annotations

from typing import Any, Final

import orjson

#: Characters of a payload or a result that are shown.
TEXT_LENGTH: Final = 16_000


def json_text(value: Any, *, most: int | None = None) -> str:
    """Indented; behind `most` characters only how many more there are."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    if most is None or len(text) <= most:
        return text
    return f"{text[:most]}\n… {len(text) - most} more characters"
