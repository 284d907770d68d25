from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from orchestration.tools.ui import register
from taskmapr.core.errors import InvalidInput, ToolDenied
from taskmapr.core.tools import ToolContext, ToolRegistry

PAGE = {"domElements": [{"id": "tags", "tagName": "a"}]}


@pytest.fixture
def tools() -> ToolRegistry:
    registry = ToolRegistry()
    register(registry)
    return registry


class Page:
    """Collects what a run tells the page."""

    def __init__(self, **ui: Any) -> None:
        self.actions: list[dict[str, Any]] = []
        self.ctx = ToolContext(
            run_id="r",
            call_id="c",
            user_id="u",
            session_id=None,
            options={"ui": ui},
            emit_actions=self.actions.extend,
            request=PAGE,
        )


async def call(tools: ToolRegistry, page: Page, tool: str, /, **args: Any) -> Any:
    spec = tools.get(tool)
    assert spec is not None
    spec.check(args)
    return await spec.handler(page.ctx, args)


@pytest.mark.req("OV-28")
def test_the_six_tools_and_their_danger(tools):
    assert {spec.name: spec.danger for spec in tools.all()} == {
        "ui.navigate": "read",
        "ui.highlight": "read",
        "ui.scroll_to": "read",
        "ui.click": "write",
        "ui.start_walkthrough": "read",
        "ui.custom": "read",
    }
    assert tools.get("ui_scroll_to") is tools.get("ui.scroll_to")


@pytest.mark.req("OV-28")
@pytest.mark.parametrize(
    ("name", "args", "action"),
    [
        (
            "ui.navigate",
            {"path": "/tags"},
            {"type": "navigate", "payload": {"path": "/tags"}},
        ),
        (
            "ui.highlight",
            {"selectors": "#tags"},
            {"type": "highlight", "payload": {"selectors": ["#tags"], "duration": 5000}},
        ),
        (
            "ui.scroll_to",
            {"selector": "#tags"},
            {"type": "scrollTo", "payload": {"selector": "#tags", "behavior": "smooth"}},
        ),
        ("ui.click", {"selector": "#tags"}, {"type": "click", "payload": {"selector": "#tags"}}),
        (
            "ui.start_walkthrough",
            {"steps": [{"query": "#tags"}]},
            {
                "type": "startWalkthrough",
                "payload": {"steps": [{"query": "#tags", "waitForClick": True}]},
            },
        ),
        (
            "ui.custom",
            {"name": "n", "any": [1]},
            {"type": "custom", "payload": {"name": "n", "any": [1]}},
        ),
    ],
)
async def test_a_call_queues_its_action(tools, name, args, action):
    page = Page(click=True)

    assert await call(tools, page, name, **args) == {"queued": True}
    assert page.actions == [action]


@pytest.mark.req("OV-28")
async def test_a_refused_call_tells_the_page_nothing(tools):
    page = Page()

    with pytest.raises(ToolDenied):
        await call(tools, page, "ui.click", selector="#tags")
    with pytest.raises(InvalidInput):
        await call(tools, page, "ui.navigate", path="//evil.example")
    assert page.actions == []


@pytest.mark.req("OV-05", "OV-28")
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("ui.navigate", {}),
        ("ui.navigate", {"path": "/a", "extra": 1}),
        ("ui.highlight", {"selectors": []}),
        ("ui.highlight", {"selectors": ["#x"] * 11}),
        ("ui.scroll_to", {"selector": "#x", "behavior": "instant"}),
        ("ui.start_walkthrough", {"steps": [{"message": "no query"}]}),
        ("ui.start_walkthrough", {"steps": [{"query": "#x"}] * 21}),
    ],
)
async def test_the_schema_refuses_malformed_arguments(tools, name, args):
    page = Page(click=True)

    with pytest.raises(InvalidInput):
        await call(tools, page, name, **args)
    assert page.actions == []


@pytest.mark.req("OV-32")
async def test_an_id_that_is_not_on_the_page_gives_a_warning(tools):
    page = Page()
    result = await call(tools, page, "ui.highlight", selectors=["#tags", "#ghost", "Button"])

    assert result["queued"] is True
    assert "ghost" in result["warning"]
    assert "tags" not in result["warning"]
    assert len(page.actions) == 1


@pytest.mark.req("OV-32")
async def test_after_a_navigation_nothing_is_known_of_the_page(tools):
    page = Page()
    page.ctx = dataclasses.replace(page.ctx, sent_actions=page.actions)
    await call(tools, page, "ui.navigate", path="/other")

    assert await call(tools, page, "ui.highlight", selectors=["#ghost"]) == {"queued": True}


@pytest.mark.req("OV-32")
async def test_steps_of_a_walkthrough_are_looked_up_until_it_leaves_the_page(tools):
    steps = [{"query": "#tags"}, {"query": "#ghost"}, {"query": "#ghost"}]
    elsewhere = [{"query": "#far", "page": "/other"}, {"query": "#farther"}]
    result = await call(tools, Page(), "ui.start_walkthrough", steps=[*steps, *elsewhere])

    assert result["warning"] == "not on the page as it was sent: ghost"
