"""A sample of a tool of one's own: what any installed app has in its `tools.py`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from taskmapr.core.tools import tool


@tool("my.operation", danger="read")
def my_operation(
    param1: Annotated[str, Field(max_length=1000)], param2: Annotated[int, Field(ge=0, le=1000)] = 1
) -> dict[str, Any]:
    """Repeat a text.

    param1: the text
    param2: how often
    """
    return {"status": "ok", "result": param1 * param2}
