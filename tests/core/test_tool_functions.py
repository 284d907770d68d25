from __future__ import annotations

import asyncio
import threading
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from taskmapr.core.errors import InvalidInput
from taskmapr.core.tool_functions import tool_function
from taskmapr.core.tools import ToolRegistry, tool


def sample(
    text: Annotated[str, Field(max_length=9)], copy: int = 1, *, how: Literal["a", "b"] = "a"
) -> str:
    """Say it
    again.

    Nobody needs this line.

    text: what to say
    copy (int): how often
    """
    return text * copy + how


@pytest.mark.req("IN-27")
def test_the_schema_is_that_of_hints_and_docstring() -> None:
    made = tool_function(sample)

    assert made.summary == "Say it again."
    assert made.input_schema == {
        "type": "object",
        "properties": {
            "text": {"type": "string", "maxLength": 9, "description": "what to say"},
            "copy": {"type": "integer", "default": 1, "description": "how often"},
            "how": {"type": "string", "enum": ["a", "b"], "default": "a"},
        },
        "required": ["text"],
        "additionalProperties": False,
    }


@pytest.mark.req("IN-27", "IN-28")
def test_sync_functions_work_in_a_thread_and_keep_their_form() -> None:
    seen: list[str] = []
    registry = ToolRegistry()

    @tool("a.b", into=registry)
    def work(n: int) -> int:
        """Work."""
        seen.append(threading.current_thread().name)
        return n + 1

    spec = registry.get("a.b")
    assert spec is not None
    assert work(1) == 2
    assert asyncio.run(_call(spec.handler, {"n": 1})) == 2
    assert seen[1] != seen[0]
    assert spec.timeout_s == 60


async def _call(handler: Any, args: dict[str, Any], ctx: Any = None) -> Any:
    return await handler(ctx, args)


@pytest.mark.req("IN-27")
def test_the_context_is_no_argument() -> None:
    async def with_context(ctx: Any, n: int = 2) -> list[Any]:
        """Give both back."""
        return [ctx, n]

    made = tool_function(with_context)

    assert list(made.input_schema["properties"]) == ["n"]
    assert asyncio.run(_call(made.handler, {}, ctx="context")) == ["context", 2]


def test_models_come_and_go_as_json() -> None:
    class Point(BaseModel):
        x: int

    def moved(point: Point) -> Point:
        """Move."""
        return Point(x=point.x + 1)

    moved.__annotations__.update({"point": Point, "return": Point})

    assert asyncio.run(_call(tool_function(moved).handler, {"point": {"x": 1}})) == {"x": 2}


def test_arguments_that_do_not_fit_are_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        asyncio.run(_call(tool_function(sample).handler, {"text": "x", "copy": "many"}))

    assert refused.value.details["fields"][0]["path"] == "copy"


@pytest.mark.parametrize("kind", ["no docstring", "no hint", "many"])
def test_what_says_too_little_is_refused(kind: str) -> None:
    def silent(n: int) -> None:
        return None

    def loose(n) -> None:
        """Do it."""

    def many(*n: int) -> None:
        """Do it."""

    function = {"no docstring": silent, "no hint": loose, "many": many}[kind]

    told = {"no docstring": "docstring", "no hint": "type hint", "many": "no schema"}[kind]
    with pytest.raises(ValueError, match=told):
        tool_function(function)


@pytest.mark.req("IN-27")
def test_a_name_that_is_taken_names_both_places() -> None:
    registry = ToolRegistry()

    def first() -> None:
        """One."""

    def second() -> None:
        """Two."""

    tool("a.b", into=registry)(first)
    with pytest.raises(ValueError, match="registered twice") as refused:
        tool("a.b", into=registry)(second)

    assert "first" in str(refused.value)
    assert "second" in str(refused.value)
    assert str(refused.value).count("test_tool_functions.py:") == 2
