"""The API document says what the code does: no more, no less."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from orchestration.api.document import document
from taskmapr.core.errors import error_class
from taskmapr.foundation.problems import PROBLEM_JSON
from tests.contracts.routes import api_routes
from tests.contracts.schemas import DOCUMENT, SCHEMAS


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def _values(node: Any, key: str) -> Iterator[Any]:
    match node:
        case dict():
            for name, value in node.items():
                if name == key and isinstance(value, str):
                    yield value
                yield from _values(value, key)
        case list():
            for item in node:
                yield from _values(item, key)


@pytest.mark.req("OV-58")
def test_every_endpoint_is_described_and_every_description_is_an_endpoint() -> None:
    answered = {(method, route.path) for route in api_routes() for method in route.methods}

    assert {(method, path) for method, path, _ in operations()} == answered


def test_every_operation_has_a_name_of_its_own_and_a_summary() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    tags = {tag["name"] for tag in DOCUMENT["tags"]}

    assert len(set(names)) == len(names)
    assert [o["operationId"] for *_, o in operations() if not o.get("summary")] == []
    assert {tag for *_, o in operations() for tag in o["tags"]} == tags


def test_the_path_parameters_are_those_of_the_path() -> None:
    for route in api_routes():
        for operation in DOCUMENT["paths"][route.path].values():
            told = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"]
            assert sorted(told) == sorted(route.ids), route.path


def test_every_reference_leads_somewhere() -> None:
    missing = []
    for reference in set(_values(DOCUMENT, "$ref")):
        node = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            node = node.get(part, {})
        missing += [] if node else [reference]

    assert missing == []


def test_every_schema_is_one() -> None:
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.req("OV-07", "OV-08")
def test_every_operation_names_its_problems() -> None:
    for method, path, operation in operations():
        for status, response in operation["responses"].items():
            examples = response.get("content", {}).get(PROBLEM_JSON, {}).get("examples", {})
            classes = [error_class(code) for code in examples]
            assert None not in classes
            assert {str(cls.status) for cls in classes if cls} <= {status}, (method, path)
        assert {"400", "413", "500"} <= operation["responses"].keys()


@pytest.mark.req("OV-20")
def test_what_can_go_wrong_before_a_stream_is_a_status() -> None:
    asked = DOCUMENT["paths"]["/api/taskmapr/orchestrate"]["post"]["responses"]

    assert {"401", "403", "409", "413", "415", "422", "429", "503"} <= asked.keys()
    assert asked["200"]["content"].keys() == {"text/event-stream", "application/json"}


@pytest.mark.req("OV-52")
def test_credentials_are_described() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    asked = DOCUMENT["paths"]["/api/taskmapr/orchestrate"]["post"]

    assert (schemes["bearer"]["scheme"], schemes["apiKey"]["name"]) == ("bearer", "x-api-key")
    assert asked["security"] == [{"bearer": []}, {"apiKey": []}]
    named = {name for *_, o in operations() for way in o.get("security", ()) for name in way}
    assert named == schemes.keys()


def test_it_is_the_same_document_every_time(capsys: pytest.CaptureFixture[str]) -> None:
    again = SchemaGenerator().get_schema(request=None, public=True)

    assert orjson.dumps(again) == document()
    assert capsys.readouterr().err == "", "what drf-spectacular could not make out"
