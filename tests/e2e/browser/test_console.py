"""/console/ in a real browser against real processes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser.conftest import resize
from tests.e2e.browser.console import Console
from tests.e2e.browser.proxy import Wire
from tests.e2e.stack import Stack, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

WORDS = [f"word{n} " for n in range(40)]
WHOLE = "".join(WORDS).strip()
#: Ten words, and the rest when a test has done what it does meanwhile.
HALTING = {"text": WORDS, "held_after": [10]}
LAST_BEFORE_SILENCE = WORDS[9].strip()


def calls(name: str, **arguments: Any) -> dict[str, Any]:
    return {"tool_calls": [{"name": name, "arguments": arguments}]}


@pytest.mark.req("OV-11", "OV-12", "OV-14", "OV-69")
def test_sends_the_page_as_clients_do(console: Console, stack: Stack) -> None:
    stack.models.script("scripted", {"text": "Hello."}, {"text": "Again."})
    console.one("#nav-settings").click()

    console.ask_and_wait("What is on this page?")
    console.ask_and_wait("And now?")

    first, second = console.sent_bodies
    assert list(first) == [
        "prompt",
        "history",
        "domElements",
        "pageContext",
        "timestamp",
        "customContext",
    ]
    assert [(m["role"], m["content"]) for m in first["history"]] == [
        ("user", "What is on this page?"),
        ("assistant", ""),
    ]
    assert set(first["history"][0]) == {"id", "role", "content", "timestamp"}
    assert first["pageContext"] == {
        "pathname": "/console/settings",
        "search": "",
        "hash": "",
        "title": "Settings · Sample workspace · TaskMapr",
    }
    assert [m["content"] for m in second["history"]] == [
        "What is on this page?",
        "Hello.",
        "And now?",
        "",
    ]
    assert second["sessionId"].startswith("taskmapr_")


@pytest.mark.req("OV-12", "OV-15")
def test_shows_the_assistant_what_is_visible_and_no_secret(console: Console, stack: Stack) -> None:
    stack.models.script("scripted", {"text": "Hello."})
    console.one("#nav-settings").click()
    console.ask_and_wait("What is on this page?")

    (body,) = console.sent_bodies
    seen = {element["id"]: element for element in body["domElements"]}

    assert seen["save-account"]["isInteractive"] is True
    assert seen["display-name"]["value"] == "Avery Brooks"
    assert set(seen["account-form"]["position"]) == {"top", "left", "width", "height"}
    assert "value" not in seen["account-password"]
    assert "not-for-the-model" not in json.dumps(body)
    assert "team-table" not in seen, "a view that is not shown"
    assert "Open tasks" not in seen["content"]["textContent"], "words of a view that is not shown"
    assert "taskmapr" not in seen, "the panel itself"


@pytest.mark.req("OV-18")
def test_text_appears_while_it_is_said_and_its_end_is_announced(
    console: Console, stack: Stack
) -> None:
    stack.models.script("scripted", HALTING)

    console.ask("Tell me much")
    console.wait_for_text(LAST_BEFORE_SILENCE)
    assert console.last_status == ""
    assert console.script("overlay.querySelector('.tm-overlay > [role=status]').textContent") == ""
    stack.models.release("scripted")
    console.wait_for_end()

    assert console.answer == WHOLE
    assert "Answer succeeded." in console.script(
        "overlay.querySelector('.tm-overlay > [role=status]').textContent"
    )
    assert console.complaints() == []


@pytest.mark.req("OV-28")
def test_highlights_what_the_assistant_points_at(console: Console, stack: Stack) -> None:
    stack.models.script(
        "scripted",
        calls("ui_highlight", selectors=["#metric-blocked"], duration=60000),
        {"text": "Two are blocked."},
    )

    console.ask_and_wait("How many are blocked?")

    assert console.highlighted == ["metric-blocked"]
    assert console.answer == "Two are blocked."
    chip = console.one(".tm-chip")
    assert chip.find_element("css selector", "code").text == "ui.highlight"
    assert "ok" in chip.find_element("css selector", ".tm-status").text
    chip.find_element("css selector", "summary").click()
    assert '"#metric-blocked"' in chip.text


@pytest.mark.req("OV-28")
def test_goes_where_the_assistant_leads_without_loading(console: Console, stack: Stack) -> None:
    stack.models.script(
        "scripted",
        calls("ui_navigate", path="/console/team"),
        calls("ui_highlight", selectors=["#team-jordan"], duration=60000),
        {"text": "There."},
    )
    console.browser.execute_script("window.sameDocument = true")

    console.ask_and_wait("Who has most?")

    assert console.path == "/console/team"
    assert console.script("window.sameDocument") is True
    assert console.one("#view-team").is_displayed()
    assert not console.one("#view-dashboard").is_displayed()
    assert console.highlighted == ["team-jordan"]
    console.browser.back()
    wait_until(lambda: console.one("#view-dashboard").is_displayed())


@pytest.mark.req("OV-22", "OV-28")
def test_an_answer_goes_on_after_it_led_to_another_document(console: Console, stack: Stack) -> None:
    stack.models.script("scripted", calls("ui_navigate", path="/console/parts/"), HALTING)

    console.ask("Show me the parts")
    wait_until(lambda: console.path == "/console/parts/")
    console.browser.get(f"{console.base}/console/")
    console.wait_for_panel()
    stack.models.release("scripted")
    console.wait_for_end()

    assert console.path == "/console/", "the action was not repeated"
    assert console.answer == WHOLE


@pytest.mark.req("OV-22")
def test_a_reload_in_mid_answer_loses_and_doubles_nothing(console: Console, stack: Stack) -> None:
    stack.models.script("scripted", HALTING)

    console.ask("Tell me much")
    console.wait_for_text(LAST_BEFORE_SILENCE)
    console.browser.refresh()
    console.wait_for_panel()
    stack.models.release("scripted")
    console.wait_for_end()

    assert console.answer == WHOLE
    assert len(console.all(".tm-overlay-message")) == 2


@pytest.mark.req("OV-22")
def test_a_cut_connection_is_made_again_and_nothing_is_lost(
    browser: Chrome, stack: Stack, wire: Wire
) -> None:
    stack.models.script("scripted", HALTING)
    console = Console(browser, wire.url).open()

    console.ask("Tell me much")
    console.wait_for_text(LAST_BEFORE_SILENCE)
    wire.is_down = True
    wire.cut()
    wait_until(lambda: "Connection lost" in console.one(".tm-overlay-note").text)
    wire.is_down = False
    stack.models.release("scripted")
    console.wait_for_end()

    assert console.answer == WHOLE
    assert not console.one(".tm-overlay-note").is_displayed()


@pytest.mark.req("OV-23")
@pytest.mark.parametrize("how", ["button", "escape"])
def test_stop_cancels_the_run_and_keeps_what_was_said(
    console: Console, stack: Stack, how: str
) -> None:
    stack.models.script("scripted", HALTING)

    console.ask("Tell me much")
    console.wait_for_text(LAST_BEFORE_SILENCE)
    if how == "button":
        console.button("Stop (Esc)").click()
    else:
        console.press(Keys.ESCAPE)
    console.wait_for_end()

    assert console.last_status == "cancelled"
    assert console.answer == "".join(WORDS[:10]).strip()
    assert stack.wait_for_end(console.run_id)["status"] == "cancelled"
    assert console.one(".tm-overlay-form button[type=submit]").is_displayed()


@pytest.mark.req("OV-20")
def test_a_failure_says_what_happened_and_what_to_do(console: Console, stack: Stack) -> None:
    stack.models.script("scripted", {"status": 401, "error": {"message": "no"}})

    console.ask_and_wait("Hello")

    note = console.one(".tm-overlay-message .tm-note")
    assert console.last_status == "failed"
    assert "Check it in the model profile" in note.text
    link = note.find_element("css selector", "a")
    assert link.get_attribute("href").endswith("/problems/llm_auth_failed")
    assert "Ask again" not in note.text


def test_a_failure_that_may_pass_offers_to_ask_again(
    browser: Chrome, stack: Stack, wire: Wire
) -> None:
    stack.models.script("scripted", {"text": "Here I am."})
    console = Console(browser, wire.url).open()
    console.hasten()
    wire.is_down = True
    wire.cut()

    console.ask_and_wait("Hello")
    assert "could not be reached" in console.one(".tm-note").text
    wire.is_down = False
    console.button("Ask again").click()
    wait_until(lambda: console.answer == "Here I am.")
    assert len(console.all(".tm-overlay-message")) == 2, "the question is not said twice"


def test_a_question_of_the_run_is_answered_in_the_panel(console: Console, stack: Stack) -> None:
    stack.models.script("scripted", calls("test_permitted_write", line="one"), {"text": "Written."})

    console.ask("Write it down")
    wait_until(lambda: bool(console.all(".tm-overlay-question button")))
    assert "test.permitted_write" in console.one(".tm-overlay-question").text
    console.button("Approve").click()
    console.wait_for_end()

    assert console.answer == "Written."
    assert "approved" in console.one(".tm-overlay-question").text
    assert not console.all(".tm-overlay-question > .tm-actions button")


@pytest.mark.req("OV-28")
def test_a_tour_goes_step_by_step_and_can_be_ended(console: Console, stack: Stack) -> None:
    steps = [
        {"query": "#metric-open", "message": "What is open."},
        {"query": "#team-table", "page": "/console/team", "message": "Who does it."},
    ]
    stack.models.script("scripted", calls("ui_start_walkthrough", steps=steps), {"text": "Come."})

    console.ask_and_wait("Show me around")
    card = console.one(".tm-overlay-tour")
    wait_until(lambda: console.highlighted == ["metric-open"])
    assert "Step 1 of 2" in card.text
    console.button("Next").click()
    wait_until(lambda: console.highlighted == ["team-table"])

    assert console.path == "/console/team"
    assert "Who does it." in card.text
    console.button("End tour").click()
    assert (console.all(".tm-overlay-tour"), console.highlighted) == ([], [])


def test_works_from_the_keyboard(console: Console, stack: Stack) -> None:
    stack.models.script("scripted", {"text": "Hello."})

    console.one("body").send_keys("/")
    assert console.script("overlay.activeElement.tagName") == "TEXTAREA"
    console.press("Hello" + Keys.SHIFT + Keys.ENTER)
    assert console.all(".tm-overlay-message") == []
    console.press(Keys.NULL + Keys.ENTER)
    console.wait_for_end()
    console.press(Keys.ESCAPE)

    assert not console.one(".tm-overlay-body").is_displayed()
    console.press("/")
    assert console.one(".tm-overlay-body").is_displayed()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("path", ["/console/", "/console/tasks", "/console/parts/", "/"])
def test_fits_the_screen_and_breaks_no_rule(
    browser: Chrome, stack: Stack, width: int, path: str
) -> None:
    resize(browser, width)
    console = Console(browser, stack.address())
    console.forget()
    browser.get(stack.address() + path)

    assert console.script("document.documentElement.scrollWidth <= innerWidth")
    if path in {"/console/", "/console/tasks"}:
        console.wait_for_panel()
        entrance = ".tm-overlay-launcher" if width < 900 else ".tm-overlay textarea"
        box = console.one(entrance).rect
        assert 0 < box["y"] < 900 - box["height"] / 2
    assert console.complaints() == []


def test_the_scheme_can_be_chosen_and_stays_chosen(console: Console) -> None:
    switch = console.one("[data-tm-theme-switch]")
    before = console.script("getComputedStyle(document.body).backgroundColor")

    switch.click()
    after = console.script("getComputedStyle(document.body).backgroundColor")
    console.browser.refresh()

    assert after != before
    assert console.script("getComputedStyle(document.body).backgroundColor") == after
    console.browser.execute_script("localStorage.clear()")
