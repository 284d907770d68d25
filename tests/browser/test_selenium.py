"""The browser port over Selenium, with a real Chromium."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from orchestration.adapters.browser_guard import VARIABLE
from orchestration.adapters.selenium import SeleniumBrowser, open_browser
from taskmapr.core.browser import (
    BrowserFault,
    BrowserRequest,
    BrowserUnavailable,
    ElementTimeout,
    SiteUnreachable,
    UnexpectedPage,
)
from taskmapr.settings.browser import BrowserSettings
from tests.browser.pages import Pages
from tests.e2e.processes import ROOT
from tests.e2e.stack import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.req("TQ-32"), pytest.mark.usefixtures("chromium")]


def wanted(place: Path, **changes: Any) -> BrowserSettings:
    given = {"headless": True, "download_path": place, "remote_url": "", "name": "chrome"}
    return BrowserSettings(**{**given, **changes})


def request_for(pages: Pages, **changes: Any) -> BrowserRequest:
    return BrowserRequest(**{"task_id": "t1", "allowed_hosts": (pages.host,), **changes})


@pytest.fixture(scope="module")
def browser(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeleniumBrowser]:
    place = tmp_path_factory.mktemp("downloads")
    with open_browser(wanted(place), request_for(pages)) as browser:
        yield browser


@pytest.fixture
def form(browser: SeleniumBrowser, pages: Pages) -> SeleniumBrowser:
    browser.open(f"http://{pages.host}/form")
    return browser


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n")
    return struct.unpack(">II", png[16:24])


def test_finds_what_is_seen_and_waits_for_what_comes(form: SeleniumBrowser) -> None:
    assert form.shows("#name")
    assert not form.shows("#never")
    assert not form.shows("")
    assert form.text("#late") == ""

    form.click("#go")

    assert form.wait_for("#never", "", "#late", timeout_s=5) == "#late"
    assert form.text("#late") == "Here I am"


def test_says_yes_to_a_dialog_of_its_own(form: SeleniumBrowser) -> None:
    assert form.accept_dialog(timeout_s=0) is False

    form.click("#ask")

    assert form.accept_dialog(timeout_s=5) is True
    assert form._driver.title == "true"


@pytest.mark.req("TQ-30")
def test_pictures_are_of_the_said_size_and_hide_password_fields(form: SeleniumBrowser) -> None:
    form.fill("#name", "a secret in an open field", is_secret=True)
    shown = form.screenshot()
    assert size_of(shown) == (1280, 800)
    form._run("document.querySelectorAll('input').forEach(f => f.style.visibility = 'hidden')")

    assert shown == form.screenshot()


@pytest.mark.req("TQ-30")
def test_fields_are_seen_again_after_a_picture(form: SeleniumBrowser) -> None:
    form.screenshot()

    assert form.shows("#password")


@pytest.mark.req("TQ-30")
def test_sources_have_no_values(form: SeleniumBrowser) -> None:
    form.fill("#name", "typed-in")
    form._run("document.getElementById('name').setAttribute('value', 'typed-in')")

    source = form.page_source()

    assert 'id="notes"' in source
    for value in ("ann", "typed-in", "hunter2", "hunter3", "hunter4"):
        assert value not in source
    assert form._run("return document.getElementById('name').value") == "typed-in"


@pytest.mark.req("TQ-31")
def test_other_hosts_are_not_reached(form: SeleniumBrowser, pages: Pages) -> None:
    for go in (
        lambda: form.open(f"http://127.0.0.2:{pages.port}/form"),
        lambda: form.open(f"http://{pages.host}/away"),
        lambda: form.open("file:///etc/passwd"),
    ):
        with pytest.raises(BrowserFault):
            go()
    form.open(f"http://{pages.host}/form")
    form.click("#away")
    with pytest.raises(UnexpectedPage, match=r"127\.0\.0\.2"):
        form.wait_for("#name", timeout_s=5)

    assert set(pages.hosts) == {pages.host}


def test_a_page_that_failed_is_not_waited_for(browser: SeleniumBrowser, pages: Pages) -> None:
    browser.open(f"http://{pages.host}/broken")
    begun = time.monotonic()

    with pytest.raises(UnexpectedPage, match="500"):
        browser.wait_for("#nothing", timeout_s=30)

    assert time.monotonic() - begun < 10
    assert browser.wait_for("#name", timeout_s=5) == "#name"


@pytest.mark.parametrize("selector", ["#nothing", "#never", ":::"])
def test_what_does_not_come_is_named(form: SeleniumBrowser, selector: str) -> None:
    with pytest.raises(ElementTimeout):
        form.wait_for(selector, timeout_s=0.2)


def test_a_site_that_is_away_is_unreachable(pages: Pages, tmp_path: Path) -> None:
    with open_browser(
        wanted(tmp_path), request_for(pages, allowed_hosts=("127.0.0.1",), page_load_s=5)
    ) as browser:
        with pytest.raises(SiteUnreachable):
            browser.open("http://127.0.0.1:9/")
        browser.open(f"http://{pages.host}/form")
        browser.click("#gone")
        with pytest.raises(SiteUnreachable):
            browser.wait_for("#name", timeout_s=5)
        os.kill(browser._driver.service.process.pid, signal.SIGKILL)
        with pytest.raises(BrowserUnavailable):
            browser.screenshot()


@pytest.mark.parametrize("name", ["chrome", "firefox"])
def test_without_a_browser_it_says_so_at_once(
    pages: Pages, tmp_path: Path, profiles: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    begun = time.monotonic()

    with (
        pytest.raises(BrowserUnavailable, match="There is no"),
        open_browser(wanted(tmp_path, name=name), request_for(pages)),
    ):
        pytest.fail("opened")

    assert time.monotonic() - begun < 10
    assert not list(profiles.iterdir())


def test_a_server_that_gives_no_browser_is_told_without_its_address(
    pages: Pages, tmp_path: Path
) -> None:
    remote = wanted(tmp_path, remote_url="http://ann:hunter2@127.0.0.1:9/wd/hub")

    with (
        pytest.raises(BrowserUnavailable) as told,
        open_browser(remote, request_for(pages)),
    ):
        pytest.fail("opened")

    assert "hunter2" not in str(told.value)


HOLDS = """
import sys, time
from pathlib import Path
from orchestration.adapters.selenium import open_browser
from taskmapr.core.browser import BrowserRequest
from taskmapr.settings.browser import BrowserSettings
wanted = BrowserSettings(headless=True, download_path=Path("."), remote_url="", name="chrome")
request = BrowserRequest(task_id="t", allowed_hosts=("127.0.0.1",))
with open_browser(wanted, request) as browser:
    print("open", flush=True)
    time.sleep(60)
"""


def left_over(profiles: Path) -> list[str]:
    """Processes that work in one of these profiles, and the profiles themselves."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            if VARIABLE.encode() in environment and str(profiles).encode() in environment:
                found.append((folder / "comm").read_text().strip())
        except OSError:
            continue
    return found + [path.name for path in profiles.iterdir()]


@pytest.mark.req("TQ-17", "TQ-32")
@pytest.mark.parametrize("end", ["leaving", "raising", "killed"])
def test_nothing_of_it_is_left(pages: Pages, tmp_path: Path, profiles: Path, end: str) -> None:
    runs = int(os.environ.get("BROWSER_RUNS", "3")) // 3
    for _ in range(runs):
        if end == "killed":
            hold_and_kill(profiles)
        else:
            hold_and_leave(pages, tmp_path, profiles, is_raising=end == "raising")

    wait_until(lambda: not left_over(profiles))


def hold_and_leave(pages: Pages, place: Path, profiles: Path, *, is_raising: bool) -> None:
    expected = pytest.raises(KeyboardInterrupt) if is_raising else nullcontext()
    with expected, open_browser(wanted(place), request_for(pages)) as browser:
        browser.open(f"http://{pages.host}/form")
        assert left_over(profiles)
        if is_raising:
            raise KeyboardInterrupt
    assert not left_over(profiles)


def hold_and_kill(profiles: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", HOLDS],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(profiles)},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n"
    assert left_over(profiles)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
