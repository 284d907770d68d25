"""The API pages work without a network, under their content policy."""

from __future__ import annotations

import pytest
from selenium.webdriver import Chrome

from tests.e2e.stack import Stack, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

LOADED = "return performance.getEntriesByType('resource').map(entry => entry.name)"

#: The visible text of so long a page takes seconds to make; whether a part has a text does not.
SHOWN = """
return [...document.querySelectorAll("a, code, h1, h2, h3, label, p, span")].some(
  (part) => part.textContent.includes(arguments[0]) && part.checkVisibility());
"""


def _wait_for_text(browser: Chrome, text: str) -> None:
    wait_until(lambda: bool(browser.execute_script(SHOWN, text)), timeout_s=40)


def _open(browser: Chrome, stack: Stack, path: str, until: str) -> None:
    browser.get(stack.address() + path)
    _wait_for_text(browser, until)


def _complaints(browser: Chrome) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.req("OV-58")
@pytest.mark.parametrize(
    ("path", "until"),
    [("/docs", "/api/taskmapr/orchestrate"), ("/redoc", "Follow or resume a run")],
)
def test_a_page_shows_the_document_and_asks_nobody_else(
    browser: Chrome, stack: Stack, path: str, until: str
) -> None:
    _open(browser, stack, path, until)

    assert _complaints(browser) == []
    loaded = browser.execute_script(LOADED)
    assert any(address.endswith("/openapi.json") for address in loaded)
    ours = (stack.address(), "data:", "blob:")
    assert [address for address in loaded if not address.startswith(ours)] == []


@pytest.mark.req("OV-58")
def test_a_request_can_be_tried(browser: Chrome, stack: Stack) -> None:
    _open(browser, stack, "/docs#/Service/getAlive", "Does the process answer")
    wait_until(lambda: bool(browser.find_elements("css selector", ".try-out__btn")))
    browser.find_element("css selector", ".try-out__btn").click()
    browser.find_element("css selector", ".btn.execute").click()
    _wait_for_text(browser, '"status": "ok"')

    assert _complaints(browser) == []
