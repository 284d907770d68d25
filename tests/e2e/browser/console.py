"""The console as somebody at a keyboard uses it."""

from __future__ import annotations

import json
from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.e2e.stack import wait_until

#: Keeps the bodies that the page sends.
_LISTEN = """
window.sentBodies = [];
const send = window.fetch;
window.fetch = (address, how) => {
  if (String(address).endsWith("/orchestrate")) window.sentBodies.push(JSON.parse(how.body));
  return send(address, how);
};
"""

#: Longer ones are limits, shorter ones are over soon.
_HASTEN = """
window.waits = [];
const later = window.setTimeout;
window.setTimeout = (work, ms, ...more) => {
  const isHastened = ms >= 1000 && ms <= 8000;
  if (isHastened) window.waits.push(ms);
  return later(work, isHastened ? ms / 10 : ms, ...more);
};
"""


#: The panel lives in a shadow root, which selectors of the page do not enter.
_IN_PANEL = """
const hosts = [...document.querySelectorAll("[data-scheme]")];
const overlay = hosts.find((host) => host.shadowRoot)?.shadowRoot;
"""


class Console:
    def __init__(self, browser: Chrome, base: str) -> None:
        self.browser = browser
        self.base = base

    def open(self, path: str = "/console/") -> Console:
        """As for the first time."""
        self.forget()
        self.browser.get(self.base + path)
        self.wait_for_panel()
        self.browser.execute_script(_LISTEN)
        return self

    def hasten(self) -> None:
        """Waits before something is tried again last a tenth. `waits` are those that were asked."""
        self.browser.execute_script(_HASTEN)

    @property
    def waits(self) -> list[int]:
        return self.script("window.waits")

    def forget(self) -> None:
        """On a page without the panel, which would save its conversation when it is left."""
        self.browser.get(f"{self.base}/console/parts/")
        self.browser.execute_script("sessionStorage.clear()")

    def wait_for_panel(self) -> None:
        wait_until(lambda: bool(self.all(".tm-overlay textarea")))
        wait_until(lambda: self.is_loaded)

    def ask(self, text: str) -> None:
        self.one(".tm-overlay textarea").send_keys(text, Keys.ENTER)

    def ask_and_wait(self, text: str) -> None:
        self.ask(text)
        self.wait_for_end()

    def wait_for_end(self) -> None:
        wait_until(lambda: self.last_status != "")

    def wait_for_text(self, part: str) -> None:
        wait_until(lambda: part in self.answer)

    def press(self, keys: str) -> None:
        self.browser.switch_to.active_element.send_keys(keys)

    def one(self, selector: str) -> WebElement:
        """On the page, or in the panel. Fails when there is none."""
        found = self.all(selector)
        assert found, f"{selector} is nowhere"
        return found[0]

    def all(self, selector: str) -> list[WebElement]:
        found: list[WebElement] = self.browser.execute_script(
            f"{_IN_PANEL} const wanted = arguments[0];"
            "return [...document.querySelectorAll(wanted),"
            " ...(overlay?.querySelectorAll(wanted) ?? [])];",
            selector,
        )
        return found

    def button(self, words: str) -> WebElement:
        """In the panel, by its name: the words on it or, without room for words, its label."""
        found = [
            button
            for button in self.all(".tm-overlay button")
            if words in (button.text, button.get_attribute("aria-label"))
        ]
        assert found, f"no button {words!r}"
        return found[-1]

    def script(self, expression: str) -> Any:
        """`overlay` is the panel's shadow root."""
        return self.browser.execute_script(f"{_IN_PANEL} return {expression}")

    @property
    def path(self) -> str:
        return self.script("location.pathname")

    @property
    def is_loaded(self) -> bool:
        return bool(self.script("document.readyState === 'complete'"))

    @property
    def answer(self) -> str:
        """The words of the last answer, as they stand now."""
        return self.script(
            "[...overlay.querySelectorAll('.tm-overlay-message:last-child[data-role=assistant]"
            " .tm-overlay-parts > .tm-overlay-text')].map((e) => e.innerText).join(' ')"
        )

    @property
    def last_status(self) -> str:
        """Empty while the answer is worked on."""
        return self.script(
            "overlay.querySelector('.tm-overlay-message:last-child[data-role=assistant]')"
            "?.dataset.status ?? ''"
        )

    @property
    def run_id(self) -> str:
        return self.script(
            "JSON.parse(sessionStorage['taskmapr.overlay:' + location.origin])"
            ".messages.at(-1).runId"
        )

    @property
    def highlighted(self) -> list[str]:
        return self.script("[...document.querySelectorAll('[data-tm-highlighted]')].map(e => e.id)")

    @property
    def sent_bodies(self) -> list[dict[str, Any]]:
        # As text: the driver itself does not keep the order of members.
        return json.loads(self.script("JSON.stringify(window.sentBodies)"))

    def complaints(self) -> list[str]:
        """What the browser has logged as errors: broken scripts, blocked or missing files."""
        log = self.browser.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] == "SEVERE"]
