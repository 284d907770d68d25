from __future__ import annotations

from typing import Any

import pytest

from orchestration.tools.sent_actions import SentActions


def action(selector: str) -> dict[str, Any]:
    return {"type": "highlight", "payload": {"selectors": [selector], "duration": 5000}}


@pytest.mark.req("OV-31")
def test_what_a_tool_sent_is_not_sent_again_by_a_block() -> None:
    sent = SentActions()

    assert sent.take([action("#a")], "tool") == [action("#a")]
    assert sent.take([action("#a"), action("#b")], "block") == [action("#b")]


def test_the_order_of_members_does_not_make_another_action() -> None:
    sent = SentActions()
    sent.take([{"type": "navigate", "payload": {"path": "/a"}}], "block")

    assert sent.take([{"payload": {"path": "/a"}, "type": "navigate"}], "tool") == []


def test_a_tool_that_is_called_twice_means_it_twice() -> None:
    sent = SentActions()
    for selector in ("#a", "#b", "#a"):
        assert sent.take([action(selector)], "tool") == [action(selector)]

    assert len(sent.sent) == 3
