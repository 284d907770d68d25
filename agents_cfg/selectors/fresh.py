"""What this process read of the configuration a moment ago."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar, cast

from django.db import InterfaceError, OperationalError

from taskmapr.foundation.database_state import database_is_away, loss_noted

#: Seconds for which a process uses what it read before it looks again.
FRESH_S: Final = 2.0
MOST_KNOWN: Final = 1000

T = TypeVar("T")


class Fresh:
    """Remembers answers for FRESH_S seconds: starts of runs come in bursts and ask the same.

    While Postgres is away, what was known last holds on.
    """

    def __init__(self) -> None:
        self._known: dict[object, tuple[float, object]] = {}

    def get(self, key: object, make: Callable[[], T]) -> T:
        """What `make` answers, or answered lately. Raises what `make` raises, unless that is the
        loss of the database and an older answer is there."""
        now = time.monotonic()
        known = self._known.get(key)
        if known is not None and (known[0] > now or database_is_away()):
            return cast("T", known[1])
        if len(self._known) >= MOST_KNOWN and not database_is_away():
            # Keys hold what requests say of themselves: nobody may fill the memory with them.
            self._known.clear()
        try:
            value = make()
        except (OperationalError, InterfaceError) as error:
            if known is None or not loss_noted(error):
                raise
            return cast("T", known[1])
        self._known[key] = (now + FRESH_S, value)
        return value

    def known(self, key: object) -> object | None:
        """What was known last, however long ago."""
        known = self._known.get(key)
        return None if known is None else known[1]

    def forget(self) -> None:
        """Let every next question go to the database; what was known stays as what was known
        last, for a database that goes away right now."""
        self._known = {key: (0.0, value) for key, (_, value) in self._known.items()}

    def clear(self) -> None:
        """As if this process had just started: for tests."""
        self._known.clear()


#: The one of this process.
fresh = Fresh()
