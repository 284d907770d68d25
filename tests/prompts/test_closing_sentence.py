from __future__ import annotations

from typing import Any

import pytest

from orchestration.prompts.closing import closing_sentence


def did(kind: str, **payload: Any) -> dict[str, Any]:
    return {"type": kind, "payload": payload}


@pytest.mark.req("OV-69")
@pytest.mark.parametrize(
    ("actions", "sentence"),
    [
        ([did("navigate", path="/tags")], "I opened /tags."),
        ([did("navigate", path="/" + "x" * 60)], "I opened the page."),
        ([did("highlight", selectors=["#a"])], "I highlighted it."),
        ([did("scrollTo", selector="#a")], "I scrolled to it."),
        ([did("click", selector="#a")], "I clicked it."),
        ([did("startWalkthrough", steps=[])], "I started the walkthrough."),
        ([did("custom", name="x")], "I passed it on to the page."),
        ([did("navigate", path="/a"), did("highlight")], "I opened /a and highlighted it."),
        (
            [did("navigate", path="/a"), did("highlight"), did("highlight"), did("scrollTo")],
            "I opened /a, highlighted it and scrolled to it.",
        ),
        ([], "Done."),
    ],
)
def test_the_sentence_fits_what_was_done(actions: list[dict[str, Any]], sentence: str) -> None:
    assert closing_sentence(actions) == sentence
