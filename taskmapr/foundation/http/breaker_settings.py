"""When a circuit opens and closes: the same for all, unless operators say otherwise of one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from django.db import DatabaseError

from taskmapr.foundation.aio import in_database
from taskmapr.foundation.database_state import database_is_away

#: Seconds for which a process uses what it read.
FRESH_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Opens after `failures` within `window_s`, lets one call try after `open_s`, closes after
    `successes` of those in a row."""

    failures: int = 5
    window_s: float = 60.0
    open_s: float = 30.0
    successes: int = 2

    @property
    def window_ms(self) -> int:
        return int(self.window_s * 1000)

    @property
    def open_ms(self) -> int:
        return int(self.open_s * 1000)


DEFAULT: Final = Limits()

#: Reads what operators said, by service; sync, may use the database.
LimitsReader = Callable[[], Mapping[str, Limits]]


class _Said:
    """What operators said last, as far as this process knows."""

    def __init__(self) -> None:
        self.read: LimitsReader | None = None
        self.limits: Mapping[str, Limits] = {}
        self.until = 0.0


_said = _Said()


def limits_read_by(reader: LimitsReader) -> None:
    """Tell once, while the apps start, who knows what operators said."""
    _said.read, _said.until = reader, 0.0


def limits_forget() -> None:
    """Ask again with the next call."""
    _said.until = 0.0


async def limits_of(service: str) -> Limits:
    """Those of a service, at most FRESH_S old. While the database is away, those of before."""
    if _said.read is not None and time.monotonic() >= _said.until and not database_is_away():
        # Set before the question: others need not ask meanwhile.
        _said.until = time.monotonic() + FRESH_S
        with contextlib.suppress(DatabaseError):
            _said.limits = await in_database(_said.read)
    return _said.limits.get(service, DEFAULT)
