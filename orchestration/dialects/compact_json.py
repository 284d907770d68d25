"""Compact JSON text, and values cut to a size for vocabularies that promise one."""

from __future__ import annotations

import json
from typing import Any

import orjson


def compact_json(value: Any) -> bytes:
    """One line of JSON in UTF-8.

    What orjson refuses (half a surrogate pair cut apart by a model, integers of more than 64 bits)
    is written escaped or in full by the slower standard library.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":"), default=str).encode()


def json_cut(value: Any, *, limit_bytes: int) -> Any:
    """The value itself, or the beginning of its JSON text when that is longer than the limit."""
    text = compact_json(value)
    if len(text) <= limit_bytes:
        return value
    if isinstance(value, str):
        text = value.encode(errors="replace")
    return text[:limit_bytes].decode(errors="ignore")


def json_cut_text(value: Any, *, limit: int) -> Any:
    """The same, measured in characters."""
    if isinstance(value, str):
        return value[:limit]
    text = compact_json(value).decode()
    return value if len(text) <= limit else text[:limit]
