"""Short spellings of JSON Schema (2020-12), for what is described by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]


def record(
    required: Mapping[str, Schema],
    optional: Mapping[str, Schema] | None = None,
    *,
    description: str = "",
) -> Schema:
    """An object with these members. Others may come: readers ignore what they do not know."""
    schema: Schema = {"type": "object", "properties": {**required, **(optional or {})}}
    if required:
        schema["required"] = list(required)
    return _described(schema, description)


def text(description: str = "", **bounds: Any) -> Schema:
    return _described({"type": "string", **bounds}, description)


def number(description: str = "", **bounds: Any) -> Schema:
    return _described({"type": "number", **bounds}, description)


def whole(description: str = "", **bounds: Any) -> Schema:
    return _described({"type": "integer", **bounds}, description)


def flag(description: str = "") -> Schema:
    return _described({"type": "boolean"}, description)


def any_object(description: str = "") -> Schema:
    return _described({"type": "object"}, description)


def array(items: Schema, description: str = "", **bounds: Any) -> Schema:
    return _described({"type": "array", "items": items, **bounds}, description)


def one_of(*values: str, description: str = "") -> Schema:
    return _described({"type": "string", "enum": list(values)}, description)


def moment(description: str = "") -> Schema:
    """ISO 8601 with an offset."""
    return text(description, format="date-time")


def uuid(description: str = "") -> Schema:
    return text(description, format="uuid")


def or_null(schema: Schema) -> Schema:
    """The same, and null."""
    if isinstance(schema.get("type"), str):
        loose = {**schema, "type": [schema["type"], "null"]}
        return {**loose, "enum": [*schema["enum"], None]} if "enum" in schema else loose
    return {"anyOf": [schema, {"type": "null"}]}


def ref(component: str) -> Schema:
    """A schema of the document's components."""
    return {"$ref": f"#/components/schemas/{component}"}


def _described(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description} if description else schema
