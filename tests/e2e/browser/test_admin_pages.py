"""Pages of the admin that we make ourselves, for everybody: axe, both schemes, two widths."""

from __future__ import annotations

import pytest
from selenium.webdriver import Chrome

from tests.e2e.browser.conftest import resize
from tests.e2e.browser.console import Console
from tests.e2e.browser.test_accessibility import AXE, use_scheme
from tests.e2e.stack import Stack, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

_IS_DRAWN = """
return document.readyState === "complete" && document.querySelector(".tm-admin") !== null;
"""
_NOTE_WHAT_IS_SHOWN = """
const answer = document.getElementById("replay-answer");
window.shown = [];
new MutationObserver(() => window.shown.push(answer.textContent.trim()))
  .observe(answer, { childList: true });
"""
_RUN = """
const [done] = arguments;
axe.run(document.querySelector(".tm-admin"), { resultTypes: ["violations"] }).then(
  ({ violations }) => done(violations.filter(
    ({ impact }) => impact === "serious" || impact === "critical").map(
      ({ id, nodes }) => [id, nodes.map(({ target }) => target)])));
"""


@pytest.mark.req("OV-67", "OV-72")
def test_axe_finds_nothing_serious(admin: Console, stack: Stack) -> None:
    stack.models.script("scripted", {"text": ["One ", "two."]})
    stream = stack.ask("Count", model="scripted")
    stream.rest()
    stack.wait_for_end(stream.run_id)
    run = f"/admin/orchestration/run/{stream.run_id}"
    admin.browser.get(f"{admin.base}{run}/change/")
    session = admin.one("a[href*='/orchestration/session/']:not([href$='/session/'])")
    pages = (
        "/admin/",
        f"{run}/change/",
        f"{run}/replay/",
        f"{run}/compare/?with={stream.run_id}",
        str(session.get_attribute("href")).removeprefix(admin.base),
        "/admin/orchestration/run/retention/",
    )
    for page in pages:
        for width in (1280, 390):
            resize(admin.browser, width)
            admin.browser.get(admin.base + page)
            for scheme in ("light", "dark"):
                use_scheme(admin.browser, scheme)
                assert ours(admin.browser) == [], f"{page}, {scheme}, {width} pixels"
    assert admin.complaints() == []


@pytest.mark.req("OV-71")
def test_a_replay_shows_the_answer_grow(admin: Console, stack: Stack) -> None:
    stack.models.script("scripted", {"text": ["One ", "two."], "held_after": [1]})
    stream = stack.ask("Count", model="scripted")
    stream.read_words(1)
    stack.models.release("scripted")
    stream.rest()
    # The stream is over a moment before the last rows are written.
    stack.wait_for_end(stream.run_id)
    admin.browser.get(f"{admin.base}/admin/orchestration/run/{stream.run_id}/replay/")
    assert admin.one("#replay-answer").text == "One two."

    admin.browser.execute_script(_NOTE_WHAT_IS_SHOWN)
    admin.one("#replay-play").click()

    wait_until(lambda: admin.one("#replay-play").text == "Play")
    assert list(dict.fromkeys(admin.script("window.shown"))) == ["", "One", "One two."]
    assert admin.complaints() == []


def ours(browser: Chrome) -> list[object]:
    """What axe finds in our part of the page; what the theme draws around it is the theme's."""
    try:
        wait_until(lambda: browser.execute_script(_IS_DRAWN))
    except AssertionError:
        seen = f"{browser.current_url} {browser.page_source[:2_000]}"
        raise AssertionError(f"not one of our pages: {seen}") from None
    browser.execute_script(AXE)
    return browser.execute_async_script(_RUN)
