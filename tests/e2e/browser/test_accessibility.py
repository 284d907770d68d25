"""Pages for everybody: what axe finds, the keyboard, enlarged pages, and what a page costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import axe_core_python
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser.conftest import resize
from tests.e2e.browser.console import Console
from tests.e2e.stack import Stack, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

KIB = 1024
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
_RUN = """
const [done] = arguments;
axe.run({ resultTypes: ["violations"] }).then(({ violations }) => done(
  violations.filter(({ impact }) => impact === "serious" || impact === "critical").map(
    ({ id, nodes }) => [id, nodes.map(({ target, failureSummary }) => [target, failureSummary])])));
"""
#: Everything that an answer can hold.
RICH = "\n\n".join(
    (
        "# A heading",
        "Some **bold**, `code` and a [link](https://example.org/).",
        "- one\n- two\n\n> said by somebody",
        "```py\nprint('hello')\n```",
        "| a | b |\n|---|--:|\n| 1 | 2 |",
    )
)
PAGES = (
    "/",
    "/console/",
    "/console/tasks",
    "/console/team",
    "/console/settings",
    "/console/embed",
    "/console/parts/",
    "/demo/overlay/",
    "/demo/tasks/",
    "/problems",
    "/problems/not_found",
    "/nowhere",
)


def violations(browser: Chrome) -> list[Any]:
    """Serious and critical ones, in the page and in the panel's shadow root."""
    if not browser.execute_script("return 'axe' in window"):
        browser.execute_script(AXE)
    return browser.execute_async_script(_RUN)


def use_scheme(browser: Chrome, scheme: str) -> None:
    """Without motion: while a button fades, its contrast is that of neither of its states."""
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious(browser: Chrome, stack: Stack, path: str) -> None:
    Console(browser, stack.address()).forget()
    for width in (1280, 390):
        resize(browser, width)
        browser.get(stack.address() + path)
        for scheme in ("light", "dark"):
            use_scheme(browser, scheme)
            assert violations(browser) == [], f"{scheme}, {width} pixels"


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious_in_a_conversation(
    console: Console, stack: Stack, width: int
) -> None:
    steps = [{"query": "#metric-open", "message": "Look."}]
    calls = [
        {"name": "ui_start_walkthrough", "arguments": {"steps": steps}},
        {"name": "test_permitted_write", "arguments": {"line": "one"}},
    ]
    stack.models.script(
        "scripted",
        {"reasoning": "Hm.", "text": RICH, "tool_calls": calls},
        {"status": 401, "error": {"message": "no"}},
    )
    resize(console.browser, width)
    console.browser.refresh()
    console.wait_for_panel()

    console.press("/")
    console.ask("Everything, please")
    wait_until(lambda: bool(console.all(".tm-overlay-question .tm-actions button")))
    for details in console.all(".tm-overlay details > summary"):
        console.browser.execute_script("arguments[0].click()", details)
    for scheme in ("light", "dark"):
        use_scheme(console.browser, scheme)
        assert violations(console.browser) == [], f"{scheme}, while it asks"
    console.button("End tour").click()
    console.button("Approve").click()
    console.wait_for_end()

    for scheme in ("light", "dark"):
        use_scheme(console.browser, scheme)
        assert violations(console.browser) == [], f"{scheme}, at the end"
    assert console.all(".tm-overlay-message .tm-note"), "it ended in trouble"


def focused(console: Console) -> str:
    """The name of what has the focus, also inside the panel."""
    return console.script(
        "((e) => e?.getAttribute('aria-label') || e?.id || e?.textContent?.trim() || e?.tagName)"
        "(overlay?.activeElement ?? document.activeElement)"
    )


def test_everything_is_reached_by_tabs_and_seen_to_be_reached(console: Console) -> None:
    reached = []
    for _ in range(40):
        console.press(Keys.TAB)
        reached.append(focused(console))
        if reached[-1] == "Send":
            break
        outline = console.script(
            "((e) => [getComputedStyle(e).outlineStyle, getComputedStyle(e.closest('form') ?? e)"
            ".boxShadow])(overlay.activeElement ?? document.activeElement)"
        )
        assert outline[0] != "none" or outline[1] != "none", reached[-1]

    assert reached[0] == "Skip to the content"
    for name in ("nav-tasks", "dismiss-news", "New conversation", "Close (Esc)", "Question"):
        assert name in reached
    assert reached.index("dismiss-news") < reached.index("New conversation")
    assert reached[-1] == "Send"


def test_a_whole_conversation_needs_no_mouse(console: Console, stack: Stack) -> None:
    stack.models.script(
        "scripted",
        {"tool_calls": [{"name": "ui_highlight", "arguments": {"selectors": ["#news"]}}]},
        {"text": "There."},
    )

    console.press("/")
    console.press("Where is it?" + Keys.ENTER)
    console.wait_for_end()
    for _ in range(12):
        console.press(Keys.SHIFT + Keys.TAB)
        if focused(console).startswith("ui.highlight"):
            break
    console.press(Keys.NULL + Keys.ENTER)

    assert console.script("overlay.activeElement.parentElement.open") is True
    assert '"#news"' in console.one(".tm-chip").text
    console.press(Keys.ESCAPE)
    assert focused(console) == "Assistant", "the button that opens it again"
    console.press(Keys.ENTER)
    assert focused(console) == "Question"


@pytest.mark.parametrize(
    "path", ["/console/", "/console/embed", "/console/parts/", "/demo/overlay/"]
)
def test_pages_hold_when_they_are_twice_as_large(browser: Chrome, stack: Stack, path: str) -> None:
    Console(browser, stack.address()).forget()
    shape = {"width": 640, "height": 450, "deviceScaleFactor": 2, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)
    browser.get(stack.address() + path)
    console = Console(browser, stack.address())

    assert console.script("document.documentElement.scrollWidth <= innerWidth")
    if path != "/console/parts/":
        console.wait_for_panel()
        console.press("/")
        box = console.one(".tm-overlay textarea").rect
        assert 0 < box["y"] < 450 - box["height"]


def test_motion_ends_where_it_is_not_wanted(console: Console, stack: Stack) -> None:
    features = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    console.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    stack.models.script("scripted", {"text": ["a "] * 4, "held_after": [0]})

    console.ask("Slowly")
    wait_until(lambda: bool(console.all(".tm-overlay-busy")))

    moving = "getComputedStyle(overlay.querySelector('.tm-overlay-busy span'), '::after')"
    assert console.script(f"{moving}.animationName") == "none"
    stack.models.release("scripted")
    console.wait_for_end()


def test_the_first_picture_of_the_console_needs_at_most_60_kib(console: Console) -> None:
    console.browser.refresh()
    console.wait_for_panel()

    sizes: dict[str, int] = console.script(
        "Object.fromEntries([...performance.getEntriesByType('navigation'),"
        " ...performance.getEntriesByType('resource')"
        ".filter((entry) => entry.renderBlockingStatus === 'blocking')]"
        ".map((entry) => [entry.name, entry.decodedBodySize]))"
    )

    assert any(name.endswith("tokens.css") for name in sizes)
    assert 10 * KIB < sum(sizes.values()) <= 60 * KIB, sizes
