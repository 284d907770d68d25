"""A browser made of paper: the pages of a site with the selectors that a new `Site` has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taskmapr.core.browser import (
    BrowserFault,
    BrowserRequest,
    ElementTimeout,
    SiteUnreachable,
)

PNG = b"\x89PNG\r\n\x1a\n"
LOGIN = {"#username", "#password", "#sign-in"}


@dataclass
class PaperSite:
    """What is on the site and how it misbehaves."""

    states: dict[str, str]
    password: str = "right"
    #: Batches whose page raises this.
    faults: dict[str, BrowserFault] = field(default_factory=dict)
    #: How often the page of a batch still asks to sign in.
    asks_again: dict[str, int] = field(default_factory=dict)
    #: Batches that do not change when they are approved.
    stubborn: set[str] = field(default_factory=set)
    #: Batches after whose approval the session is over.
    ends_session: set[str] = field(default_factory=set)
    is_away: bool = False
    approvals: list[str] = field(default_factory=list)
    sign_ins: int = 0
    before_confirm: Callable[[], None] = lambda: None


class PaperBrowser:
    def __init__(self, site: PaperSite, request: BrowserRequest) -> None:
        self.site, self.request = site, request
        self.page = "blank"
        self.batch = ""
        self.wanted = ""
        self.typed: dict[str, str] = {}
        self.secrets: set[str] = set()
        self.downloads = Path("/nowhere")
        self.is_confirming = False
        self.is_closed = False

    @property
    def url(self) -> str:
        return self.page

    def open(self, url: str) -> None:
        if self.site.is_away:
            raise SiteUnreachable("away")
        self.is_confirming = False
        signed_in = self.page not in ("blank", "login", "refused")
        self.page = "list" if url.endswith("batches") and signed_in else "login"
        self.wanted = ""

    def wait_for(self, *selectors: str, timeout_s: float) -> str:
        self.request.while_waiting()
        found = next((s for s in selectors if s and self.shows(s)), None)
        if found is None:
            raise ElementTimeout(f"nothing fits {selectors} on {self.page}")
        return found

    def wait_until(self, is_so: Callable[[], bool], *, timeout_s: float) -> bool:
        self.request.while_waiting()
        return is_so()

    def shows(self, selector: str) -> bool:
        return selector in self._shown() or bool(self._link(selector))

    def text(self, selector: str) -> str:
        return self.site.states.get(self.batch, "") if self.page == "batch" else ""

    def fill(self, selector: str, text: str, *, is_secret: bool = False) -> None:
        self._must_show(selector)
        self.typed[selector] = text
        if is_secret:
            self.secrets.add(selector)

    def click(self, selector: str) -> None:
        self._must_show(selector)
        match selector:
            case "#sign-in":
                self._sign_in()
            case "#search-go":
                self.wanted = self.typed["#search"]
            case "#approve":
                self.is_confirming = True
            case _ if "confirm" in selector:
                self._confirm()
            case _:
                self._open_batch(self._link(selector))

    def accept_dialog(self, *, timeout_s: float) -> bool:
        self._confirm()
        return True

    def screenshot(self) -> bytes:
        return PNG + self.page.encode()

    def page_source(self) -> str:
        return f"<html>{self.page} {self.typed.get('#password', '')}</html>"

    # ---------------------------------------------------------------------------------------------

    def _shown(self) -> set[str]:
        shown = {
            "login": LOGIN,
            "refused": {*LOGIN, "#login-refused"},
            "list": {"#logout", "#search", "#search-go"},
            "batch": {"#logout", "#batch-state"},
        }.get(self.page, set())
        if self.page == "list" and self.wanted and self.wanted not in self.site.states:
            return {*shown, "#no-batches"}
        if self.page == "batch" and self.site.states[self.batch] == "Pending":
            confirm = {"#confirm-approve [data-kind=danger]"} if self.is_confirming else set()
            return {*shown, "#approve", *confirm}
        return set(shown)

    def _link(self, selector: str) -> str:
        found = re.fullmatch(r'tr\[data-batch="(.*)"\] a', selector)
        is_there = found and self.page == "list" and self.wanted == found[1]
        return found[1] if found and is_there and found[1] in self.site.states else ""

    def _must_show(self, selector: str) -> None:
        if not self.shows(selector):
            raise ElementTimeout(f"{selector} is not on {self.page}")

    def _sign_in(self) -> None:
        self.site.sign_ins += 1
        self.page = "list" if self.typed["#password"] == self.site.password else "refused"

    def _open_batch(self, batch: str) -> None:
        if fault := self.site.faults.get(batch):
            self.page = "broken"
            raise fault
        if self.site.asks_again.get(batch, 0) > 0:
            self.site.asks_again[batch] -= 1
            self.page = "login"
            return
        self.page, self.batch = "batch", batch

    def _confirm(self) -> None:
        self.site.before_confirm()
        self.site.approvals.append(self.batch)
        if self.batch not in self.site.stubborn:
            self.site.states[self.batch] = "Approved"
        if self.batch in self.site.ends_session:
            self.page = "login"


@dataclass
class Opener:
    """`taskmapr.core.browser.OpenBrowser` over paper; keeps what it opened."""

    site: PaperSite
    opened: list[PaperBrowser] = field(default_factory=list)
    fault: BrowserFault | None = None

    @contextmanager
    def __call__(self, request: BrowserRequest) -> Iterator[Any]:
        if self.fault is not None:
            raise self.fault
        browser = PaperBrowser(self.site, request)
        self.opened.append(browser)
        try:
            yield browser
        finally:
            browser.is_closed = True
