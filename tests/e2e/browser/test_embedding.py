"""The overlay on pages of other origins: mounted by a tag or by an import."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.e2e.browser.conftest import resize
from tests.e2e.browser.console import Console
from tests.e2e.browser.sites import Site
from tests.e2e.stack import Stack, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

#: A page that does what it can to break what is put on it.
HOSTILE = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">
<title>Shop</title><style>
html {{ font-size: 62.5%; }} body {{ margin: 0; letter-spacing: 4px; text-transform: uppercase; }}
* {{ color: red !important; font-family: fantasy !important; line-height: 3 !important; }}
button, textarea, p, ol, section {{ display: none !important; }}
</style><h1 id="shop-title">Shoes</h1><p>Hidden by its own style.</p>
<a id="cart" href="/cart">Cart</a><input type="password" id="card" value="4111">
<input id="pan" autocomplete="section-a cc-number" value="4012">
<div class="private"><b id="salary">9000</b></div>
{tag}</html>"""
IMPORTING = """<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,">
<h1 id="shop-title">Shoes</h1>
<div id="place"></div><p id="told"></p>
<script type="module">
import {{ mountOverlay }} from "{script}";
window.asked = [];
window.overlay = mountOverlay({{
  position: "inline", host: "#place", title: "Helper", theme: "dark",
  token: async () => null,
  customContext: async () => ({{ tenant: "acme" }}),
  navigate: (path) => {{ window.wentTo = path; return true; }},
  onAction: (action) => {{ window.asked.push(action.type); return action.type !== "highlight"; }},
}});
</script></html>"""


def script_of(stack: Stack) -> str:
    return f"{stack.address()}/static/taskmapr/overlay.js"


def tag_of(stack: Stack, **data: str) -> str:
    attributes = "".join(
        f' data-{name.replace("_", "-")}="{value}"' for name, value in data.items()
    )
    return f'<script type="module" src="{script_of(stack)}" data-endpoint=""{attributes}></script>'


@pytest.fixture
def shop(stack: Stack) -> Iterator[Site]:
    tag = tag_of(
        stack,
        title="Ask us",
        suggestions="What is here?|Where is my cart?",
        snapshot_exclude=".private",
    )
    strict = f"default-src 'none'; script-src {stack.address()}; connect-src {stack.address()}"
    with Site(
        {"/": HOSTILE.format(tag=tag)}, policy=f"{strict}; style-src 'unsafe-inline'"
    ) as site:
        yield site


@pytest.fixture
def visit(browser: Chrome, shop: Site) -> Console:
    browser.get(shop.origin)
    browser.execute_script("sessionStorage.clear()")
    browser.get(shop.origin)
    console = Console(browser, shop.origin)
    wait_until(lambda: bool(console.all(".tm-overlay-launcher")))
    return console


def listen(console: Console) -> None:
    console.browser.execute_script(
        "window.sentBodies = []; addEventListener('taskmapr:request',"
        " (event) => window.sentBodies.push(event.detail.body))"
    )


@pytest.mark.req("OV-12", "OV-56", "OV-69")
def test_one_tag_brings_an_assistant_that_works_under_a_strict_policy(
    visit: Console, stack: Stack
) -> None:
    stack.models.script("scripted", {"text": "These are **shoes**."})
    listen(visit)

    visit.button("Ask us").click()
    visit.button("What is here?").click()
    visit.wait_for_end()

    assert visit.answer == "These are shoes."
    (body,) = visit.sent_bodies
    assert {element["id"] for element in body["domElements"]} == {
        "shop-title",
        "cart",
        "card",
        "pan",
    }
    assert not {"value", "4111", "4012"} & {
        word for element in body["domElements"] for word in (*element, element.get("value"))
    }
    assert visit.complaints() == []


def test_the_page_cannot_break_its_look(visit: Console) -> None:
    def look(selector: str, name: str) -> Any:
        return visit.script(f"getComputedStyle(overlay.querySelector('{selector}'))['{name}']")

    visit.button("Ask us").click()

    assert visit.one(".tm-overlay textarea").is_displayed()
    assert look(".tm-overlay-head h2", "fontSize") == "16px"
    assert look(".tm-overlay-head h2", "letterSpacing") == "normal"
    assert look(".tm-overlay-head h2", "textTransform") == "none"
    assert look(".tm-overlay-head h2", "fontFamily").startswith("system-ui")
    assert look(".tm-overlay-head h2", "color") != "rgb(255, 0, 0)"
    assert look(".tm-overlay textarea", "lineHeight") == "21px"


@pytest.mark.req("OV-28")
def test_highlights_are_seen_although_the_policy_forbids_styles(
    visit: Console, stack: Stack
) -> None:
    stack.models.script(
        "scripted",
        {"tool_calls": [{"name": "ui_highlight", "arguments": {"selectors": ["#cart"]}}]},
        {"text": "There."},
    )

    visit.button("Ask us").click()
    visit.ask_and_wait("Where is my cart?")

    assert visit.highlighted == ["cart"]
    assert visit.script("getComputedStyle(document.getElementById('cart')).outlineWidth") == "3px"


def test_the_closed_panel_is_a_button_and_stays_as_the_reader_left_it(visit: Console) -> None:
    assert not visit.one(".tm-overlay-body").is_displayed()

    visit.button("Ask us").click()
    assert visit.script("overlay.activeElement.tagName") == "TEXTAREA"
    visit.browser.refresh()
    wait_until(lambda: bool(visit.all(".tm-overlay-launcher")))
    assert visit.one(".tm-overlay-body").is_displayed()

    visit.button("Close (Esc)").click()
    assert visit.one(".tm-overlay-launcher").is_displayed()
    assert visit.script("overlay.activeElement.className").endswith("tm-overlay-launcher")


@pytest.mark.parametrize("width", [390, 1280])
def test_the_open_panel_stays_on_the_screen(visit: Console, width: int) -> None:
    resize(visit.browser, width, 700)
    visit.button("Ask us").click()

    box = visit.one(".tm-overlay-body").rect
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] >= (60 if width == 390 else 0), "on a phone the page is seen above it"
    assert box["y"] + box["height"] <= 700


@pytest.fixture
def importing(browser: Chrome, stack: Stack) -> Iterator[Console]:
    with Site({"/": IMPORTING.format(script=script_of(stack))}) as site:
        browser.get(site.origin)
        browser.execute_script("sessionStorage.clear()")
        browser.get(site.origin)
        console = Console(browser, site.origin)
        wait_until(lambda: bool(console.script("window.overlay !== undefined")))
        yield console


@pytest.mark.req("OV-28")
def test_a_router_is_never_given_the_name_of_another_site(importing: Console, stack: Stack) -> None:
    call = {"name": "ui_navigate", "arguments": {"path": "/.//elsewhere.example"}}
    stack.models.script("scripted", {"tool_calls": [call]}, {"text": "Done."})

    importing.browser.execute_script("window.overlay.ask('Go')")

    # The page's router would say `true` to `//elsewhere.example`, and stay.
    there = f"{importing.base}//elsewhere.example"
    wait_until(lambda: importing.browser.current_url == there)


@pytest.mark.req("OV-12", "OV-28")
def test_a_page_gives_functions_that_are_asked(importing: Console, stack: Stack) -> None:
    stack.models.script(
        "scripted",
        {
            "tool_calls": [
                {"name": "ui_navigate", "arguments": {"path": "/cart?x=1"}},
                {"name": "ui_highlight", "arguments": {"selectors": ["#shop-title"]}},
            ]
        },
        {"text": "Done."},
    )
    listen(importing)

    importing.browser.execute_async_script(
        "const [done] = arguments; window.overlay.ask('Go').then(done)"
    )

    (body,) = importing.sent_bodies
    assert body["customContext"] == {"tenant": "acme"}
    assert importing.script("window.wentTo") == "/cart?x=1"
    assert importing.script("window.asked") == ["navigate", "highlight"]
    assert importing.highlighted == [], "the page has said no"
    assert importing.answer == "Done."


def test_what_was_mounted_can_be_opened_closed_and_taken_away(importing: Console) -> None:
    importing.browser.execute_script("window.overlay.close()")
    assert not importing.one(".tm-overlay-body").is_displayed()
    importing.browser.execute_script("window.overlay.open()")
    assert importing.one(".tm-overlay-body").is_displayed()
    assert (
        importing.script("getComputedStyle(overlay.querySelector('.tm-overlay')).colorScheme")
        == "dark"
    )

    importing.browser.execute_script("window.overlay.destroy()")

    assert importing.script("document.getElementById('place').shadowRoot.childElementCount") == 0
    assert importing.script("document.adoptedStyleSheets.length") == 0
    importing.press("/")
    assert importing.complaints() == []


@pytest.mark.req("OV-51")
def test_a_known_conversation_is_fetched_from_the_server(browser: Chrome, stack: Stack) -> None:
    stack.models.script("scripted", *({"text": f"Answer {n}."} for n in range(2)))
    console = Console(browser, stack.address()).open()
    console.ask_and_wait("First?")
    console.ask_and_wait("Second?")
    session = console.script(
        "JSON.parse(sessionStorage['taskmapr.overlay:' + location.origin]).sessionId"
    )

    page = HOSTILE.format(tag=tag_of(stack, session_id=session, open="true"))
    with Site({"/": page}) as site:
        browser.get(site.origin)
        visit = Console(browser, site.origin)
        wait_until(lambda: len(visit.all(".tm-overlay-message")) == 4)

        said = [row.text for row in visit.all(".tm-overlay-message .tm-overlay-text")]
        assert said == ["First?", "Answer 0.", "Second?", "Answer 1."]
        assert browser.find_elements(By.TAG_NAME, "taskmapr-overlay")


def test_an_option_that_makes_no_sense_is_told_in_words(browser: Chrome, stack: Stack) -> None:
    browser.get(f"{stack.address()}/console/parts/")

    told = browser.execute_async_script(
        "const [done] = arguments;"
        "import('/static/taskmapr/overlay.js').then((m) => {"
        " try { m.mountOverlay({ position: 'top' }); done('') } catch (e) { done(e.message) } })"
    )

    assert told == "taskmapr: position is one of bottom-right, bottom-left, inline, not top"
