from __future__ import annotations

import logging

import pytest

from memory.services.items import memory_item_add
from taskmapr.users.models import User
from tests.orchestration.engines.conversing import Ask, ScriptedModel, Turn, prompts
from tests.orchestration.whole_database import whole_database


@pytest.mark.req("OV-38")
def test_a_new_session_is_told_of_the_last_one_and_of_preferences(
    ask: Ask, model: ScriptedModel, ada: User
) -> None:
    memory_item_add(user_id=ada.pk, text="answers in quetzal rhymes", tags=["preference"])
    ask({"prompt": "Where are my invoices?"}, Turn(text=["There."]), session_id="s-old")

    ask({"prompt": "hi"}, Turn(text=["Hello."]), session_id="s-new")

    told = model.requests[-1].instructions
    inside = told.split("<<page-data ", 1)[1].split("<<end of page-data", 1)[0]
    assert "the user last asked 'Where are my invoices?'; the answer was 'There.'" in inside
    assert '- the user prefers: "answers in quetzal rhymes"' in inside
    assert prompts(model.requests[-1]) == ["hi"]


@pytest.mark.req("OV-38")
def test_a_session_that_goes_on_is_told_nothing_of_others(
    ask: Ask, model: ScriptedModel, ada: User
) -> None:
    memory_item_add(user_id=ada.pk, text="likes tea", tags=["preference"])
    ask({"prompt": "one"}, Turn(text=["x"]), session_id="s-old")
    ask({"prompt": "two"}, Turn(text=["x"]), session_id="s-new")
    ask({"prompt": "three"}, Turn(text=["x"]), session_id="s-new")

    told = model.requests[-1].instructions
    assert "from an earlier session" not in told
    assert "the user prefers:" not in told


@pytest.mark.req("OV-38", "VB-79")
def test_what_memory_told_is_stored_nowhere_in_the_clear(
    ask: Ask, model: ScriptedModel, ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    memory_item_add(user_id=ada.pk, text="quetzal rhymes", tags=["preference"])

    with caplog.at_level(logging.DEBUG):
        run = ask({"prompt": "hi"}, Turn(text=["Hello."]))

    assert "quetzal" in model.requests[0].instructions
    assert "- the user prefers: [sealed]" in run.instructions
    assert "quetzal" not in whole_database()
    assert "quetzal" not in caplog.text
