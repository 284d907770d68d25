from __future__ import annotations

import pytest

from orchestration.tools.sent_actions import SentActions

HIGHLIGHT = {"type": "highlight", "payload": {"selectors": ["#a"], "duration": 5000}}
SAME = {"payload": {"duration": 5000, "selectors": ["#a"]}, "type": "highlight"}


@pytest.mark.req("OV-31")
def test_an_equal_action_of_the_other_source_is_dropped():
    sent = SentActions()

    assert sent.take([HIGHLIGHT], "tool") == [HIGHLIGHT]
    assert sent.take([SAME, {"type": "custom", "payload": {}}], "block") == [
        {"type": "custom", "payload": {}}
    ]
    assert sent.take([{"type": "custom", "payload": {}}], "tool") == []
    assert sent.sent == [HIGHLIGHT, {"type": "custom", "payload": {}}]


@pytest.mark.req("OV-31")
def test_a_tool_may_repeat_itself():
    sent = SentActions()
    sent.take([HIGHLIGHT], "tool")

    assert sent.take([HIGHLIGHT], "tool") == [HIGHLIGHT]
