"""The browser port over Selenium 4: Chrome, Chromium, Firefox, or a Selenium server."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    InvalidSelectorException,
    InvalidSessionIdException,
    NoAlertPresentException,
    NoSuchWindowException,
    StaleElementReferenceException,
    TimeoutException,
    WebDriverException,
)
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from urllib3.exceptions import HTTPError

from orchestration.adapters.browser_programs import HEIGHT, WIDTH, browser_start
from taskmapr.core.browser import (
    BrowserRequest,
    BrowserUnavailable,
    ElementTimeout,
    SiteUnreachable,
    UnexpectedPage,
    is_allowed_address,
)
from taskmapr.settings.browser import BrowserSettings

#: Seconds for an element to become ready to be used once the page shows it.
_READY_S: Final = 5.0
_POLL_S: Final = 0.1
#: Marks fields that were filled with a secret.
_MARK: Final = "data-taskmapr-secret"
_SECRET_FIELDS: Final = f"input[type=password], [autocomplete*=password], [{_MARK}]"

_WHERE: Final = """
const page = performance.getEntriesByType('navigation')[0];
return [location.href, (page && page.responseStatus) || 0];
"""
_HIDE: Final = f"""
window.__taskmaprHidden = [...document.querySelectorAll('{_SECRET_FIELDS}')].map((field) => {{
  const before = field.style.visibility;
  field.style.setProperty('visibility', 'hidden', 'important');
  return () => {{ field.style.visibility = before; }};
}});
"""
_SHOW: Final = """
(window.__taskmaprHidden || []).forEach((show) => show());
delete window.__taskmaprHidden;
"""
_SOURCE: Final = """
const copy = document.documentElement.cloneNode(true);
copy.querySelectorAll('input').forEach((field) => {
  field.removeAttribute('value');
  field.removeAttribute('checked');
});
copy.querySelectorAll('textarea').forEach((field) => { field.textContent = ''; });
copy.querySelectorAll('option').forEach((field) => field.removeAttribute('selected'));
return copy.outerHTML;
"""

P = ParamSpec("P")
R = TypeVar("R")


def _translated(method: Callable[P, R]) -> Callable[P, R]:
    """Faults of Selenium become those of the port; their text never has a field's content."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except (InvalidSessionIdException, NoSuchWindowException, HTTPError, OSError) as error:
            raise BrowserUnavailable(f"The browser is gone: {type(error).__name__}") from None
        except TimeoutException:
            raise SiteUnreachable("The page did not load in time.") from None
        except InvalidSelectorException:
            raise ElementTimeout("A selector of the site is not valid CSS.") from None
        except WebDriverException as error:
            raise _fault(error) from None

    return call


def _fault(error: WebDriverException) -> Exception:
    message = (error.msg or "").splitlines()[:1]
    first = message[0] if message else type(error).__name__
    if "net::ERR_" in first or "about:neterror" in first:
        return SiteUnreachable(first.split("(Session")[0].strip())
    if any(words in first for words in ("crashed", "disconnected", "not reachable")):
        return BrowserUnavailable(f"The browser is gone: {first[:200]}")
    return UnexpectedPage(f"{type(error).__name__}: {first[:200]}")


class SeleniumBrowser:
    """`taskmapr.core.browser.Browser` over a driver. Made by `open_browser`."""

    def __init__(self, driver: WebDriver, request: BrowserRequest, downloads: Path) -> None:
        self._driver = driver
        self._request = request
        self.downloads = downloads

    @property
    def url(self) -> str:
        return self._url()

    @_translated
    def _url(self) -> str:
        return self._driver.current_url

    @_translated
    def open(self, url: str) -> None:
        if not is_allowed_address(url, self._request.allowed_hosts):
            raise UnexpectedPage(f"{_place(url)} is not among the allowed hosts.")
        self._driver.get(url)
        self._check_place()

    @_translated
    def wait_for(self, *selectors: str, timeout_s: float) -> str:
        wanted = [selector for selector in selectors if selector]
        for _ in self._moments(timeout_s):
            status = self._check_place()
            found = next((s for s in wanted if self._visible(s)), None)
            if found is not None:
                return found
            if status >= 500:
                raise UnexpectedPage(f"The site answered {status}.")
        raise ElementTimeout(f"Nothing on the page fits {' or '.join(wanted)} ({timeout_s:g} s).")

    @_translated
    def wait_until(self, is_so: Callable[[], bool], *, timeout_s: float) -> bool:
        for _ in self._moments(timeout_s):
            self._check_place()
            if is_so():
                return True
        return False

    @_translated
    def shows(self, selector: str) -> bool:
        return bool(selector) and self._visible(selector) is not None

    @_translated
    def text(self, selector: str) -> str:
        element = self._visible(selector)
        return " ".join(element.text.split()) if element else ""

    @_translated
    def fill(self, selector: str, text: str, *, is_secret: bool = False) -> None:
        def act(field: WebElement) -> None:
            if is_secret:
                mark = f"arguments[0].setAttribute('{_MARK}', '')"
                self._driver.execute_script(mark, field)
            field.clear()
            field.send_keys(text)

        self._act(selector, act)

    @_translated
    def click(self, selector: str) -> None:
        self._act(selector, lambda element: element.click())

    @_translated
    def accept_dialog(self, *, timeout_s: float) -> bool:
        for _ in self._moments(timeout_s):
            try:
                self._driver.switch_to.alert.accept()
            except NoAlertPresentException:
                continue
            return True
        return False

    @_translated
    def screenshot(self) -> bytes:
        self._run(_HIDE)
        try:
            return base64.b64decode(self._driver.get_screenshot_as_base64())
        finally:
            self._run(_SHOW)

    @_translated
    def page_source(self) -> str:
        return str(self._run(_SOURCE))

    # ---------------------------------------------------------------------------------------------

    def _run(self, script: str) -> Any:
        return self._driver.execute_script(script)

    def _moments(self, timeout_s: float) -> Iterator[None]:
        """At least one, then one every tenth of a second until the time is over."""
        until = time.monotonic() + timeout_s
        while True:
            self._request.while_waiting()
            yield
            if time.monotonic() >= until:
                return
            time.sleep(_POLL_S)

    def _check_place(self) -> int:
        """The HTTP status of the page, 0 when it is not known. Raises when it should not be
        here."""
        address, status = self._run(_WHERE)
        shown = self._driver.current_url
        if not is_allowed_address(shown, self._request.allowed_hosts):
            raise UnexpectedPage(f"{_place(shown)} is not among the allowed hosts.")
        if address.startswith(("chrome-error:", "about:neterror")):
            raise SiteUnreachable(f"{_place(shown)} does not answer.")
        return int(status)

    def _visible(self, selector: str) -> WebElement | None:
        for element in self._driver.find_elements(By.CSS_SELECTOR, selector):
            try:
                if element.is_displayed():
                    return element
            except StaleElementReferenceException:
                continue
        return None

    def _act(self, selector: str, act: Callable[[WebElement], None]) -> None:
        """Elements move, are covered for a moment, or are drawn anew: then it is tried again."""
        for _ in self._moments(_READY_S):
            element = self._visible(selector)
            if element is None:
                continue
            try:
                act(element)
            except (
                ElementClickInterceptedException,
                ElementNotInteractableException,
                StaleElementReferenceException,
            ):
                continue
            return
        raise ElementTimeout(f"Nothing that can be used fits {selector}.")


def _place(url: str) -> str:
    """The address without what may be secret in it."""
    return url.split("?", maxsplit=1)[0].split("#", maxsplit=1)[0][:200]


@contextmanager
def open_browser(wanted: BrowserSettings, request: BrowserRequest) -> Iterator[SeleniumBrowser]:
    """A browser for the length of a block; afterwards nothing of it is left but downloads."""
    downloads = wanted.download_path / request.task_id
    running = browser_start(wanted, request, downloads)
    try:
        _size(running.driver)
        yield SeleniumBrowser(running.driver, request, downloads)
    finally:
        running.end()


def _size(driver: WebDriver) -> None:
    """Pictures are as large as the window is said to be: a headless window has no frame to lose."""
    shape = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    if isinstance(driver, Chrome):
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)
    else:
        driver.set_window_size(WIDTH, HEIGHT)
