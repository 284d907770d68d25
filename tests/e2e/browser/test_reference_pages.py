"""The API pages work without a network, under their content policy."""

from __future__ import annotations

import pytest
from selenium.webdriver import Chrome

from tests.e2e.stack import Stack, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

LOADED = "return performance.getEntriesByType('resource').map(entry => entry.name)"
#: Redoc wants its maker's logo; the content policy refuses it.
LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg"


def _open(browser: Chrome, stack: Stack, path: str, until: str) -> None:
    browser.get(stack.address() + path)
    wait_until(lambda: until in browser.find_element("tag name", "body").text, timeout_s=40)


def _complaints(browser: Chrome) -> list[str]:
    log = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    return [line for line in log if LOGO not in line]


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
    ours = (stack.address(), "data:", "blob:", LOGO)
    assert [address for address in loaded if not address.startswith(ours)] == []


@pytest.mark.req("OV-58")
def test_a_request_can_be_tried(browser: Chrome, stack: Stack) -> None:
    _open(browser, stack, "/docs#/Service/getAlive", "Does the process answer")
    wait_until(lambda: bool(browser.find_elements("css selector", ".try-out__btn")))
    browser.find_element("css selector", ".try-out__btn").click()
    browser.find_element("css selector", ".btn.execute").click()
    wait_until(lambda: '"status": "ok"' in browser.find_element("tag name", "body").text)

    assert _complaints(browser) == []
