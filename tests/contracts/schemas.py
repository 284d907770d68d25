"""The API document, and validators for its components."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from orchestration.api.document import document

DOCUMENT: dict[str, Any] = orjson.loads(document())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


def closed(schema: Any) -> Any:
    """The same schema, allowing no member that it does not name."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "properties" not in schema:
        return {key: closed(value) for key, value in schema.items()}
    # Conditions beside the members name only some of them.
    inner = {k: v if k in ("anyOf", "allOf") else closed(v) for k, v in schema.items()}
    return {"additionalProperties": False, **inner}


def validator(component: str, *, strict: bool = False) -> Draft202012Validator:
    """Strict: members that the document does not name are refused."""
    whole = deepcopy(DOCUMENT)
    if strict:
        whole["components"]["schemas"] = {n: closed(s) for n, s in SCHEMAS.items()}
    registry: Registry[Any] = Registry().with_resource(
        "document", Resource(whole, specification=DRAFT202012)
    )
    ref = {"$ref": f"document#/components/schemas/{component}"}
    return Draft202012Validator(
        ref, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
