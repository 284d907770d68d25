"""JSON Schemas that others wrote, made safe to check arguments by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def without_patterns(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema without anything that runs a regular expression.

    One expression on a long argument can hold an event loop for ever, and which ones do cannot be
    told by their looks. Keywords are taken out wherever they stand: a `$ref` may point into any
    part of a schema. With `patternProperties`, what is an additional property depends on
    expressions, so nothing but the object is left to check.
    """
    if _has_pattern_properties(schema):
        return {"type": "object"}
    bare: Mapping[str, Any] = _bare(schema)
    return bare


def _has_pattern_properties(part: Any) -> bool:
    if isinstance(part, list):
        return any(map(_has_pattern_properties, part))
    if not isinstance(part, dict):
        return False
    return "patternProperties" in part or any(map(_has_pattern_properties, part.values()))


def _bare(part: Any) -> Any:
    """A property that is called `pattern` stays: its value is a schema, not a text."""
    if isinstance(part, list):
        return [_bare(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {
        name: _bare(value)
        for name, value in part.items()
        if name != "pattern" or not isinstance(value, str)
    }
