"""The API document (OpenAPI 3.1): made from the URL map, once per process."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator

from orchestration.api import described, intents_described, task_schemas
from orchestration.dialects import overlay_schema
from orchestration.page import schema as page_schema
from taskmapr.core import errors
from taskmapr.core.json_schema import Schema
from taskmapr.foundation.openapi import (
    ALWAYS,
    PROBLEM,
    Problems,
    of_credentials,
    problem_examples,
    problem_responses,
)


@cache
def document() -> bytes:
    """The same bytes on every server of this version."""
    made = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return orjson.dumps(made)


def document_complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A POSTPROCESSING_HOOK of drf-spectacular: what no APIView says."""
    result["info"]["version"] = settings.VERSION
    result["paths"] = dict(sorted({**result["paths"], **_plain_paths()}.items()))
    components = result["components"]
    schemas = components.setdefault("schemas", {})
    schemas |= {"Problem": PROBLEM}
    schemas |= task_schemas.COMPONENTS
    schemas |= page_schema.COMPONENTS | overlay_schema.COMPONENTS | described.COMPONENTS
    schemas |= intents_described.COMPONENTS
    components["schemas"] = dict(sorted(schemas.items()))
    components["examples"] = problem_examples(result)
    return result


def _plain_paths() -> dict[str, Any]:
    """Views that are no APIView."""
    json = "application/json"
    root = {json: described.ROOT, "text/html": {"type": "string"}}
    return {
        "/": _get("getRoot", "What this server is", root),
        "/health": _get(
            "getHealth", "Is everything there", {json: described.HEALTH}, down=described.HEALTH
        ),
        "/health/ready": _get(
            "getReady", "May requests be sent here", {json: described.READY}, down=described.READY
        ),
        "/api/v1/health": _get("getAlive", "Does the process answer", {json: described.ALIVE}),
        "/metrics": _metrics(),
        "/openapi/actions.json": _get(
            "getActions", "The same for assistants, reduced", {json: {"type": "object"}}
        ),
        "/openapi.json": _get("getDocument", "This document", {json: {"type": "object"}}),
    }


def _metrics() -> dict[str, Any]:
    refused = (*of_credentials(), errors.DatabaseUnavailable)
    item = _get(
        "getMetrics", "Figures for Prometheus", {"text/plain": {"type": "string"}}, problems=refused
    )
    item["get"] |= {
        "description": "For API keys with the scope `metrics`, and for this machine itself.",
        "security": [{"bearer": []}, {"apiKey": []}, {}],
    }
    return item


def _get(
    name: str,
    summary: str,
    kinds: dict[str, Schema],
    *,
    down: Schema | None = None,
    problems: Problems = (),
) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": _response(kinds)}
    if down is not None:
        responses["503"] = _response({"application/json": down})
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "tags": ["Service"],
            "responses": {**problem_responses((*ALWAYS, *problems)), **responses},
        }
    }


def _response(kinds: dict[str, Schema]) -> dict[str, Any]:
    return {
        "description": "",
        "content": {kind: {"schema": schema} for kind, schema in kinds.items()},
    }
