"""One lock in the database says which beat ticks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import psycopg
from django.db import connection

#: Any number that no other advisory lock of this database has.
_KEY = 0x7A5CBEA7
_RETRY_S = 2.0
_LOOK_S = 5.0

logger = logging.getLogger("taskmapr.beat")


class BeatLock:
    """Held by an open transaction of a connection of its own, so it also holds behind a pooler.

    It is free again when this process or its connection ends, whatever the reason.
    """

    def __init__(self) -> None:
        self._connection = psycopg.connect(**connection.get_connection_params())
        self._closed = threading.Event()

    def try_take(self) -> bool:
        """True when the lock is ours now."""
        row = self._connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [_KEY]).fetchone()
        if row is not None and row[0]:
            return True
        self._connection.rollback()
        return False

    def take(self) -> None:
        """Waits, for as long as it takes, until no other beat of this database ticks."""
        if self.try_take():
            return
        logger.warning("Another beat ticks for this database; this one stands by")
        while not self._closed.wait(_RETRY_S):
            if self.try_take():
                logger.warning("This beat ticks now")
                return

    def watch(self, on_loss: Callable[[], None]) -> threading.Thread:
        """Calls on_loss once, from another thread, when the connection breaks."""
        thread = threading.Thread(target=self._watch, args=(on_loss,), daemon=True)
        thread.start()
        return thread

    def release(self) -> None:
        self._closed.set()
        self._connection.close()

    def _watch(self, on_loss: Callable[[], None]) -> None:
        while not self._closed.wait(_LOOK_S):
            try:
                self._connection.execute("SELECT 1")
            except psycopg.Error:
                if not self._closed.is_set():
                    on_loss()
                return
