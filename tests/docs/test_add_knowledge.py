"""The example of docs/how-to/add-knowledge.md, as it stands there."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from taskmapr.core.tools import ToolContext, registry
from tests.docs.documents import ROOT, blocks, table_rows
from tests.memory.knowledge.conftest import Folder, folder

__all__ = ["folder"]

DOCUMENT = (ROOT / "docs" / "how-to" / "add-knowledge.md").read_text()
STEPS = "\n".join(line.removeprefix("   ") for line in DOCUMENT.split("\n"))


@pytest.mark.django_db
@pytest.mark.req("OV-41")
async def test_the_handbook_is_found_as_shown(folder: Folder) -> None:
    (markdown,), (shown,) = blocks(STEPS, "markdown"), blocks(STEPS, "json")
    asked = re.search(r"`call (\S+) (\{.*?\})`", STEPS)
    assert asked is not None
    folder.write("handbook/holidays.md", markdown)
    spec = registry.get(asked[1])
    assert spec is not None
    arguments: dict[str, Any] = json.loads(asked[2])
    spec.check(arguments)
    context = ToolContext(
        run_id="r",
        call_id="c",
        user_id="u",
        session_id=None,
        options={"knowledge": {"collections": ["*"]}},
    )

    assert await spec.handler(context, arguments) == json.loads(shown)


def test_the_table_lists_every_tool_with_its_arguments() -> None:
    rows = {row[0].strip("`"): row[1] for row in table_rows(DOCUMENT, "Tool")}
    specs = registry.named(["knowledge.*"])

    assert set(rows) == {spec.name for spec in specs}
    for spec in specs:
        if rows[spec.name] != "the same":
            named = set(re.findall(r"`(\w+)`", rows[spec.name]))
            assert named == set(spec.input_schema["properties"]), spec.name
