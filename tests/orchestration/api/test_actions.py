"""The reduced document with which other assistants learn to call intents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from django.test import Client

from tests.orchestration.api.conftest import Call


@pytest.fixture
def document(client: Client, settings: Any) -> dict[str, Any]:
    settings.PUBLIC_URL = "http://tasks.example.org"
    answer = client.get("/openapi/actions.json")
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, dict | list):
            yield from _objects(child)


@pytest.mark.req("IN-45", "IN-S20")
def test_it_has_three_operations_on_one_secure_server(document: dict[str, Any]) -> None:
    operations = {
        operation["operationId"]: (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }

    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "https://tasks.example.org"}]
    assert {name: where[:2] for name, where in operations.items()} == {
        "orchestrate": ("post", "/orchestrate"),
        "getJob": ("get", "/jobs/{job_id}"),
        "listIntents": ("get", "/intents"),
    }
    orchestrate = operations["orchestrate"][2]
    assert orchestrate["x-openai-isConsequential"] is True
    assert orchestrate["requestBody"]["required"] is True


@pytest.mark.req("IN-45")
def test_its_parts_fit_together(document: dict[str, Any]) -> None:
    """Every reference leads somewhere, every schema is one, no description is too long."""
    schemas = document["components"]["schemas"]
    named = {"OrchestrateRequest", "OrchestrateSuccess", "OrchestrateAccepted", "Error"}
    assert named <= schemas.keys()
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for part in _objects(document):
        if isinstance(part.get("$ref"), str):
            assert part["$ref"].removeprefix("#/components/schemas/") in schemas
        if isinstance(part.get("description"), str):
            assert len(part["description"]) <= 300
    schemes = document["components"]["securitySchemes"]
    assert (schemes["bearer"]["scheme"], schemes["apiKey"]["name"]) == ("bearer", "x-api-key")


@pytest.mark.req("IN-45")
def test_what_it_describes_is_what_is_answered(document: dict[str, Any], call: Call) -> None:
    """A listing of the real server fits the schema that importers are given."""
    listed = call("GET", "/intents")
    schema = {
        **document["components"]["schemas"]["IntentList"],
        "components": document["components"],
    }

    jsonschema.validate(listed.json, schema)
    assert listed.json["count"] > 0
