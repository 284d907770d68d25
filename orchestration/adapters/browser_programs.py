"""Starts a browser through Selenium, here or on a Selenium server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, Final
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.options import ArgOptions
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.webdriver import WebDriver
from urllib3.exceptions import HTTPError

from orchestration.adapters.browser_guard import VARIABLE, browser_end
from orchestration.adapters.browser_guard import __file__ as guard_file
from taskmapr.core.browser import BrowserRequest, BrowserUnavailable, host_of
from taskmapr.settings.browser import BrowserSettings

WIDTH: Final = 1280
HEIGHT: Final = 800
_QUIT_S: Final = 5.0
_GUARD_S: Final = 10.0
_CHROMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_CHROME_FLAGS: Final = (
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--no-first-run",
    "--no-default-browser-check",
    "--password-store=basic",
    f"--window-size={WIDTH},{HEIGHT}",
    # Host rules are about names that this browser looks up; a proxy would look them up itself.
    "--no-proxy-server",
)


class RunningBrowser:
    """A driver, and what must be gone after it."""

    def __init__(self, driver: WebDriver, home: BrowserHome | None) -> None:
        self.driver = driver
        self._home = home

    def end(self) -> None:
        """Nothing of the browser is left. Does not raise, and takes 15 s at most."""
        # A driver that hangs must not keep its user: it is asked in a thread of its own.
        asked = Thread(target=self._quit, daemon=True)
        asked.start()
        asked.join(_QUIT_S)
        if self._home is not None:
            self._home.end()

    def _quit(self) -> None:
        with suppress(WebDriverException, HTTPError, OSError):
            self.driver.quit()


class BrowserHome:
    """A folder for the profile and all that the browser writes, and the guard that ends both."""

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex
        self.folder = Path(tempfile.mkdtemp(prefix="tm-browser-"))
        self._guard = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", guard_file, self.mark, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def environment(self) -> dict[str, str]:
        """For the driver and what it starts: the mark, no downloads of drivers, no other home.

        Of our own environment it gets what programs need: secrets are none of its business.
        """
        kept = ("PATH", "LANG", "LC_ALL", "TZ", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR")
        places = ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
        return {
            **{name: value for name, value in os.environ.items() if name in kept},
            **dict.fromkeys(places, str(self.folder)),
            VARIABLE: self.mark,
            "SE_OFFLINE": "true",
        }

    def end(self) -> None:
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        try:
            self._guard.wait(_GUARD_S)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
        browser_end(self.mark, str(self.folder))


def browser_start(
    wanted: BrowserSettings, request: BrowserRequest, downloads: Path
) -> RunningBrowser:
    """Raises BrowserUnavailable at once when there is no browser, and when it does not start."""
    if wanted.remote_url:
        return RunningBrowser(_remote(wanted, request), None)
    programs = _programs(wanted.name)
    home = BrowserHome()
    try:
        driver = _local(wanted, request, downloads, home, *programs)
    except BaseException:
        home.end()
        raise
    return RunningBrowser(driver, home)


def _programs(name: str) -> tuple[str, str]:
    is_chrome = name == "chrome"
    names, driver = (_CHROMES, "chromedriver") if is_chrome else (("firefox",), "geckodriver")
    browser = next(filter(None, map(shutil.which, names)), None)
    driver_path = shutil.which(driver)
    if not browser or not driver_path:
        missing = names[0] if not browser else driver
        raise BrowserUnavailable(f"There is no {missing} on this machine.")
    return browser, driver_path


def _local(  # noqa: PLR0917 - the parts of one command line
    wanted: BrowserSettings,
    request: BrowserRequest,
    downloads: Path,
    home: BrowserHome,
    browser: str,
    driver_path: str,
) -> WebDriver:
    options: Any = _options(wanted, request)
    options.binary_location = browser
    options.ignore_local_proxy_environment_variables()
    try:
        if wanted.name == "firefox":
            _download_to_firefox(options, downloads)
            service = webdriver.FirefoxService(driver_path, env=home.environment)
            return webdriver.Firefox(options=options, service=service)
        options.add_argument(f"--user-data-dir={home.folder / 'profile'}")
        options.add_experimental_option("prefs", _download_to(downloads))
        chrome_service = webdriver.ChromeService(driver_path, env=home.environment)
        return webdriver.Chrome(options=options, service=chrome_service)
    except (WebDriverException, HTTPError, OSError) as error:
        raise BrowserUnavailable(f"The browser does not start: {_first_line(error)}") from None


def _remote(wanted: BrowserSettings, request: BrowserRequest) -> WebDriver:
    try:
        server = _server(wanted.remote_url)
        return webdriver.Remote(options=_options(wanted, request), client_config=server)
    except (WebDriverException, HTTPError, OSError) as error:
        # Its address may hold a password.
        raise BrowserUnavailable(
            f"The Selenium server gives no browser: {type(error).__name__}"
        ) from None


def _server(url: str) -> ClientConfig:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return ClientConfig(
        remote_server_addr=parts._replace(netloc=place).geturl(),
        username=parts.username,
        password=parts.password,
    )


def _options(wanted: BrowserSettings, request: BrowserRequest) -> ArgOptions:
    made = _firefox(wanted, request) if wanted.name == "firefox" else _chrome(wanted, request)
    made.set_capability("pageLoadStrategy", "normal")
    made.timeouts = {"pageLoad": int(request.page_load_s * 1000), "script": 10_000}
    return made


def _chrome(wanted: BrowserSettings, request: BrowserRequest) -> webdriver.ChromeOptions:
    options = webdriver.ChromeOptions()
    for flag in _CHROME_FLAGS:
        options.add_argument(flag)
    if wanted.headless:
        options.add_argument("--headless=new")
    if not wanted.sandbox:
        options.add_argument("--no-sandbox")
    excluded = "".join(f", EXCLUDE {host_of(entry)}" for entry in request.allowed_hosts)
    options.add_argument(f"--host-resolver-rules=MAP * ~NOTFOUND{excluded}")
    return options


def _firefox(wanted: BrowserSettings, request: BrowserRequest) -> webdriver.FirefoxOptions:
    options = webdriver.FirefoxOptions()
    if wanted.headless:
        options.add_argument("-headless")
    options.add_argument(f"--width={WIDTH}")
    options.add_argument(f"--height={HEIGHT}")
    # Everything goes to a port where nobody answers, but for the hosts that are allowed.
    options.set_preference("network.proxy.type", 1)
    for kind in ("http", "ssl"):
        options.set_preference(f"network.proxy.{kind}", "127.0.0.1")
        options.set_preference(f"network.proxy.{kind}_port", 9)
    hosts = (host_of(entry).removeprefix("*") for entry in request.allowed_hosts)
    options.set_preference("network.proxy.no_proxies_on", ", ".join(hosts))
    options.set_preference("network.proxy.allow_hijacking_localhost", True)
    return options


def _download_to(folder: Path) -> dict[str, Any]:
    return {
        "download.default_directory": str(folder),
        "download.prompt_for_download": False,
        "credentials_enable_service": False,
        "profile.password_manager_enabled": False,
        "profile.password_manager_leak_detection": False,
    }


def _download_to_firefox(options: webdriver.FirefoxOptions, folder: Path) -> None:
    options.set_preference("browser.download.folderList", 2)
    options.set_preference("browser.download.dir", str(folder))
    options.set_preference("signon.rememberSignons", False)


def _first_line(error: Exception) -> str:
    said = str(getattr(error, "msg", None) or error).strip()
    return (said.splitlines() or [type(error).__name__])[0].split("; For documentation")[0][:300]
