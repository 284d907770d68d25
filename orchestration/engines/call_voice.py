"""What tools and models say while a job works, on its way into the log."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any, Final

from orchestration.execution.drive import HeldRun
from taskmapr.core.errors import IllegalMove, LeaseLost
from taskmapr.core.events import LogWritten, ProgressMade

logger = logging.getLogger(__name__)

#: Seconds between two words about how far a call is, so that a busy loop does not fill the log.
PROGRESS_EVERY_S: Final = 0.1
#: Lines that one call may write into the log, and characters of each.
MOST_LINES: Final = 1_000
LINE_LENGTH: Final = 2_000

_LEVELS: Final = frozenset({"debug", "info", "warning", "error"})


class CallVoice:
    """What a tool says while it works. Callable from any thread; what comes too late is dropped."""

    def __init__(self, held: HeldRun) -> None:
        self._held = held
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._told_at = 0.0
        self._lines = 0
        self.is_over = threading.Event()

    def progress(self, fraction: float, text: str = "") -> None:
        now = time.monotonic()
        bounded = min(1.0, max(0.0, float(fraction)))
        if bounded < 1 and now - self._told_at < PROGRESS_EVERY_S:
            return
        self._told_at = now
        self.tell(ProgressMade(fraction=bounded, text=str(text)[:LINE_LENGTH] or None))

    def log(self, level: str, text: str) -> None:
        self._lines += 1
        if self._lines <= MOST_LINES:
            known: Any = level if level in _LEVELS else "info"
            self.tell(LogWritten(level=known, text=str(text)[:LINE_LENGTH]))

    def tell(self, payload: object) -> None:
        if threading.get_ident() == self._thread:
            self._append(payload)
        else:
            self._loop.call_soon_threadsafe(self._append, payload)

    def _append(self, payload: object) -> None:
        if self.is_over.is_set():
            return
        try:
            self._held.writer.append(payload)
        except (IllegalMove, LeaseLost):
            logger.debug("run %s: a word came too late", self._held.run_id)
