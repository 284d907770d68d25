"""Chromium without a window, beside a real stack on a developer's settings."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from tests.e2e.browser.console import Console
from tests.e2e.browser.proxy import Wire
from tests.e2e.processes import ROOT
from tests.e2e.stack import Shape, Stack, wait_until

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

ROOT_EMAIL, ROOT_PASSWORD = "root@example.org", "a long password for root"


@pytest.fixture(scope="module")
def shape() -> Shape:
    """Anybody may ask here; answers are those that a test scripts."""
    return Shape(
        env={
            "ENV": "dev",
            "DISABLE_AUTH": "true",
            "TASKMAPR_DEFAULT_MODEL": "scripted",
            "TASKMAPR_RATE_LIMIT_PER_MINUTE": "1000",
            "TASKMAPR_DEMO_ESC_SLOW_S": "1",
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


@pytest.fixture(scope="module")
def operator(module_stack: Stack) -> None:
    """Root may sign in."""
    module_stack.start()
    if module_stack.rows("SELECT 1 FROM users_user WHERE email = %s", ROOT_EMAIL):
        return  # since an earlier module
    command = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--email", ROOT_EMAIL]
    env = {**module_stack.env, "DJANGO_SUPERUSER_PASSWORD": ROOT_PASSWORD}
    subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True)


@pytest.fixture
def admin(browser: Chrome, stack: Stack, operator: None) -> Console:
    """Root, signed in."""
    page = Console(browser, stack.address())
    browser.get(f"{page.base}/admin/login/?next=/admin/orchestration/run/")
    page.one("[name=username]").send_keys(ROOT_EMAIL)
    page.one("[name=password]").send_keys(ROOT_PASSWORD)
    page.one("form [type=submit]").click()
    # Whoever goes on while a page still loads may be told that the next one has loaded.
    wait_until(lambda: page.path == "/admin/orchestration/run/" and page.is_loaded)
    return page
