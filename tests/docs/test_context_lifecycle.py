"""The bounds in the life of the context are those of the code."""

from __future__ import annotations

import inspect

import pytest

from orchestration.prompts import page_parts, recalled
from orchestration.prompts.hygiene import DataQuoter
from orchestration.selectors.sessions import REMEMBERED
from tests.docs.documents import ROOT, table_rows

BOUNDS = {
    "lines of interactive elements": page_parts.LINES,
    "ids shown": page_parts.IDS_SHOWN,
    "elements for keywords and previews": page_parts.INDEXED,
    "text previews": page_parts.PREVIEWS,
    "selectors of a keyword": page_parts.SELECTORS_PER_KEYWORD,
    "routes": page_parts.ROUTES,
    "earlier messages of a session": REMEMBERED,
    "notes about earlier sessions": recalled.MAX_SESSIONS,
    "preferences": recalled.MAX_PREFERENCES,
    "characters of a note or a preference": recalled.NOTE_LENGTH,
    "bytes of a tool's result": inspect.signature(DataQuoter.tool_text)
    .parameters["limit_bytes"]
    .default,
}


@pytest.mark.req("OV-33", "OV-38")
def test_the_table_of_bounds_is_true() -> None:
    document = (ROOT / "docs" / "lifecycles" / "context.md").read_text()

    assert {name: int(bound) for name, bound in table_rows(document, "What")} == BOUNDS
