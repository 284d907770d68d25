"""Chromium without a window, beside a real stack on a developer's settings."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from tests.e2e.browser.console import Console
from tests.e2e.browser.proxy import Wire
from tests.e2e.stack import Shape, Stack

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def shape() -> Shape:
    """Anybody may ask here; answers are those that a test scripts."""
    return Shape(
        env={
            "ENV": "dev",
            "DISABLE_AUTH": "true",
            "TASKMAPR_DEFAULT_MODEL": "scripted",
            "TASKMAPR_RATE_LIMIT_PER_MINUTE": "1000",
        }
    )


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chrome]:
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("Chromium and chromedriver are not installed")
    options = ChromeOptions()
    options.binary_location = binary
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options=options, service=ChromeService(driver))
    yield browser
    browser.quit()


@pytest.fixture
def browser(chromium: Chrome) -> Chrome:
    """1280 pixels wide, in the light scheme, with an empty log and no cookies."""
    resize(chromium, 1280)
    features = [{"name": "prefers-color-scheme", "value": "light"}]
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    chromium.get("about:blank")
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    chromium.get_log("browser")
    return chromium


def resize(browser: Chrome, width: int, height: int = 900) -> None:
    shape = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)


@pytest.fixture
def console(browser: Chrome, stack: Stack) -> Console:
    return Console(browser, stack.address()).open()


@pytest.fixture
def wire(stack: Stack) -> Iterator[Wire]:
    with Wire(stack.address()) as wire:
        yield wire
