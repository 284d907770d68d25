"""All lines of a task's log as one text: the download `task.log`.

It is never stored: the same events give the same bytes, whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from taskmapr.core.events import Event
from taskmapr.core.timestamps import timestamp_of

LOG_FILE: Final = "task.log"
MEDIA_TYPE: Final = "text/plain"


def line_of(at: datetime, level: str, attempt: int, text: str) -> str:
    """One line, without its end."""
    return f"{timestamp_of(at)} {level.upper()} [attempt {attempt}] {text}"


def lines_of(events: Iterable[Event]) -> list[str]:
    """The lines that these events hold; kinds that are no lines are passed over."""
    lines, attempt = [], 1
    for event in events:
        if event.kind == "run.started":
            attempt = event.data["attempt"]
        elif event.kind == "log":
            lines.append(line_of(event.at, event.data["level"], attempt, event.data["text"]))
    return lines


def log_bytes(lines: Iterable[str]) -> bytes:
    """The file, in UTF-8; empty without lines."""
    return "".join(f"{line}\n" for line in lines).encode()
