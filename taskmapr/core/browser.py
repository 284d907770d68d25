"""A browser as tasks drive it: one page at a time, by CSS selectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol
from urllib.parse import urlsplit


class BrowserFault(Exception):
    """Something that a browser met. `code` is the one that tasks fail with."""

    code: ClassVar[str] = "unexpected_page"


class BrowserUnavailable(BrowserFault):
    """There is no browser, or it does not start, or it is gone."""

    code = "browser_unavailable"


class SiteUnreachable(BrowserFault):
    """The site does not answer, or not in time."""

    code = "site_unreachable"


class ElementTimeout(BrowserFault):
    """What should be on the page did not appear in time."""

    code = "element_timeout"


class UnexpectedPage(BrowserFault):
    """The browser is elsewhere than it should be, or the site answered with an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserRequest:
    """What a task wants of its browser."""

    #: Names the folder of its downloads.
    task_id: str
    #: `host`, `host:port` or `*.domain`; everything else is not reached.
    allowed_hosts: tuple[str, ...]
    #: Seconds that a page may take.
    page_load_s: float = 30.0
    #: Called several times a second while something is waited for; what it raises ends the wait.
    while_waiting: Callable[[], None] = lambda: None


class Browser(Protocol):
    """One open browser with a profile of its own. Used from one thread.

    Whatever is looked for must be visible. Every method may raise BrowserFault; those that act or
    wait raise UnexpectedPage when the page is not of an allowed host.
    """

    @property
    def url(self) -> str:
        """The address of the present page."""

    @property
    def downloads(self) -> Path:
        """Where downloaded files are; made with the first one."""

    def open(self, url: str) -> None: ...

    def wait_for(self, *selectors: str, timeout_s: float) -> str:
        """The first of the selectors that the page shows; empty ones are left out. Raises
        ElementTimeout, and UnexpectedPage as soon as the site has answered with an error."""

    def wait_until(self, is_so: Callable[[], bool], *, timeout_s: float) -> bool:
        """Whether it became so in time."""

    def shows(self, selector: str) -> bool: ...

    def text(self, selector: str) -> str:
        """The text of the first such element, its spaces made one; empty when there is none."""

    def fill(self, selector: str, text: str, *, is_secret: bool = False) -> None:
        """Replace what a field holds. A secret one is left out of pictures and page sources."""

    def click(self, selector: str) -> None: ...

    def accept_dialog(self, *, timeout_s: float) -> bool:
        """Say yes to a dialog of the browser's own. False: none opened in time."""

    def screenshot(self) -> bytes:
        """PNG of the visible part; password fields and secrets are hidden in it."""

    def page_source(self) -> str:
        """The page as it is now, without the values of its fields."""


#: Opens a browser; leaving the context ends it and all that it started. Raises BrowserUnavailable.
OpenBrowser = Callable[[BrowserRequest], AbstractContextManager[Browser]]


def is_allowed_address(url: str, allowed_hosts: Sequence[str]) -> bool:
    """Whether a page of this address may be shown: http(s), at one of the hosts.

    A host without a port stands for all of its ports.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return False
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return False
    return any(_fits(entry.lower(), parts.hostname, port) for entry in allowed_hosts)


def host_of(entry: str) -> str:
    """The host of an allowed one, without its port."""
    parts = urlsplit(f"//{entry}")
    return parts.hostname or ""


def _fits(entry: str, host: str, port: int) -> bool:
    parts = urlsplit(f"//{entry}")
    if parts.port is not None and parts.port != port:
        return False
    wanted = parts.hostname or ""
    return host.endswith(wanted[1:]) if wanted.startswith("*.") else host == wanted
