"""Pictures of what a task saw, and the sources of pages that went wrong."""

from __future__ import annotations

import re
from typing import Final, Literal

from orchestration.targets.sites import SiteAccount
from taskmapr.core.browser import Browser, BrowserFault
from taskmapr.core.task_types import ScreenshotKind, TaskContext

Pictures = Literal["all", "errors", "none"]

_ODD: Final = re.compile(r"[^A-Za-z0-9_-]")
#: Bytes of a page's source that are kept.
_SOURCE_MOST: Final = 1024 * 1024


class Evidence:
    """Names are told apart by this class, so that an outcome can refer to its picture."""

    def __init__(self, ctx: TaskContext, account: SiteAccount, wanted: Pictures) -> None:
        self._ctx, self._account, self._wanted = ctx, account, wanted
        self._taken: set[str] = set()

    def step(self, browser: Browser, name: str) -> None:
        self._picture(browser, name, "step")

    def batch(self, browser: Browser, batch_id: str | int, is_good: bool) -> str | None:
        """The picture of a batch that was handled; its name."""
        kind: ScreenshotKind = "success" if is_good else "error"
        return self._picture(browser, f"batch-{batch_id}-{kind}", kind)

    def fault(self, browser: Browser, name: str) -> str | None:
        """A picture and, for staff alone, the source of the page; the picture's name."""
        self._source(browser, name)
        return self._picture(browser, f"{name}-error", "error")

    def told(self, fault: BrowserFault) -> str:
        """What went wrong, in words that may stand in a result."""
        return self._account.masked(f"{fault.code}: {fault}")

    def stopped(self, browser: Browser) -> None:
        """The last picture of a task that has to stop."""
        self._picture(browser, "stopped", "error")

    def _picture(self, browser: Browser, name: str, kind: ScreenshotKind) -> str | None:
        if self._wanted == "none" or (self._wanted == "errors" and kind != "error"):
            return None
        try:
            data = browser.screenshot()
        except BrowserFault as fault:
            self._ctx.log("warning", f"no picture: {fault.code}")
            return None
        file = self._free(name, "png")
        self._ctx.screenshot(file, data, kind)
        return file

    def _source(self, browser: Browser, name: str) -> None:
        try:
            source = self._account.masked(browser.page_source())
        except BrowserFault:
            return
        body = source.encode()[:_SOURCE_MOST]
        self._ctx.artifact(self._free(f"{name}-page", "html"), body, "text/html", is_private=True)

    def _free(self, name: str, suffix: str) -> str:
        """A file name of this attempt alone."""
        plain = _ODD.sub("_", name)[:120]
        if self._ctx.attempt > 1:
            plain = f"attempt-{self._ctx.attempt}-{plain}"
        file, number = f"{plain}.{suffix}", 1
        while file in self._taken:
            number += 1
            file = f"{plain}-{number}.{suffix}"
        self._taken.add(file)
        return file
