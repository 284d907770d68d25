"""Arguments checked by schemas that others wrote: as far as that costs no regular expression."""

from __future__ import annotations

from typing import Any

import pytest

from taskmapr.core.errors import InvalidInput
from taskmapr.core.tools import ToolContext, ToolSpec

#: Takes longer than anybody waits for on 40 letters and a digit.
SLOW = "^(a+)+$"
TEXT = "a" * 40 + "1"


async def _nothing(context: ToolContext, args: dict[str, Any]) -> None:
    """Never called."""


def spec(schema: dict[str, Any], *, is_foreign: bool = True) -> ToolSpec:
    return ToolSpec(
        name="mcp:shop.find",
        summary="",
        input_schema={"type": "object", **schema},
        handler=_nothing,
        is_foreign=is_foreign,
    )


@pytest.fixture
def expressions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Those that are run; running one finds nothing, at once."""
    run: list[str] = []
    monkeypatch.setattr(
        "jsonschema._keywords.re.search", lambda expression, text: run.append(expression)
    )
    return run


@pytest.mark.req("OV-43")
@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"q": {"type": "string", "pattern": SLOW}}},
        {"properties": {"q": {"anyOf": [{"pattern": SLOW}, {"not": {"pattern": SLOW}}]}}},
        {"properties": {"q": {"$ref": "#/examples/0"}}, "examples": [{"pattern": SLOW}]},
        {"propertyNames": {"pattern": SLOW}},
        {"patternProperties": {SLOW: {"type": "integer"}}, "additionalProperties": False},
        {"allOf": [{"patternProperties": {SLOW: {}}}], "unevaluatedProperties": False},
    ],
)
def test_no_expression_of_others_is_run(schema: dict[str, Any], expressions: list[str]) -> None:
    spec(schema).check({"q": TEXT, TEXT: TEXT})

    assert expressions == []


def test_our_own_expressions_are_run() -> None:
    own = spec({"properties": {"q": {"pattern": "^b$"}}}, is_foreign=False)

    with pytest.raises(InvalidInput):
        own.check({"q": "a"})


@pytest.mark.usefixtures("expressions")
def test_everything_else_is_checked_and_shown() -> None:
    schema = {
        "properties": {"pattern": {"type": "string", "pattern": SLOW, "maxLength": 50}},
        "required": ["pattern"],
        "additionalProperties": False,
    }
    foreign = spec(schema)

    foreign.check({"pattern": TEXT})
    for args in ({}, {"pattern": 3}, {"pattern": "a" * 51}, {"pattern": "a", "more": 1}):
        with pytest.raises(InvalidInput):
            foreign.check(args)
    assert foreign.input_schema["properties"] == schema["properties"]


def test_a_schema_that_never_ends_is_an_error_of_the_call() -> None:
    endless = spec({"properties": {"q": {"$ref": "#/properties/q"}}})

    with pytest.raises(InvalidInput):
        endless.check({"q": 1})
