"""Is Postgres there? What this process knows of it, so that not every request has to find out.

Whoever loses the connection says so (`database_went_away`). From then on one thread asks Postgres
every PROBE_S seconds until it answers, and everybody else does without (`database_is_away`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Final, TypeVar

import psycopg
from django.db import DataError, Error, InterfaceError, OperationalError, connection
from psycopg_pool import PoolTimeout

from taskmapr.foundation.telemetry.outages import Outage

T = TypeVar("T")

PROBE_S: Final = 0.5
#: Seconds that one attempt to connect may take.
CONNECT_S: Final = 2


class DatabaseGate:
    """One per process. `answers`: asks Postgres once, on a connection of its own."""

    def __init__(self, answers: Callable[[], bool]) -> None:
        self._answers = answers
        self._lock = threading.Lock()
        self._is_away = False
        self.outages = 0
        self._outage = Outage(
            "Postgres cannot be reached",
            impact="New sessions will not survive a restart of Redis, and tools that change"
            " something are not offered.",
            action="Continuing with sessions in memory; Postgres is used again when it answers.",
        )

    @property
    def is_away(self) -> bool:
        return self._is_away

    def went_away(self, error: BaseException) -> None:
        """A connection was lost or refused. Cheap when that is known already."""
        with self._lock:
            if self._is_away:
                return
            self._is_away = True
            self.outages += 1
        self._outage.warn(error.__cause__ or error)
        threading.Thread(target=self._watch, name="postgres-watch", daemon=True).start()

    def _watch(self) -> None:
        while not self._answers():
            time.sleep(PROBE_S)
        self._is_away = False
        self._outage.over("Postgres is back")


def is_connection_loss(error: BaseException) -> bool:
    """True for a lost or refused connection; false for a query that failed (a deadlock, a lock)."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    state = getattr(error.__cause__, "sqlstate", None) or "08"
    return state.startswith(("08", "57P", "53"))


def is_nul_refused(error: BaseException) -> bool:
    """True when a text or JSON held NUL, which Postgres has no place for."""
    if not isinstance(error, DataError):
        return False
    # In texts the driver refuses it, in JSON the server does ("untranslatable character").
    return getattr(error.__cause__, "sqlstate", None) == "22P05" or "NUL" in str(error)


def _postgres_answers() -> bool:
    params = {**connection.get_connection_params(), "connect_timeout": CONNECT_S}
    for name in ("pool", "cursor_factory", "context", "prepare_threshold"):
        params.pop(name, None)
    try:
        with closing(psycopg.connect(**params)) as probe:
            probe.execute("SELECT 1")
    except (psycopg.Error, Error):
        return False
    return True


_gate = DatabaseGate(_postgres_answers)


def database_is_away() -> bool:
    return _gate.is_away


def database_outages() -> int:
    """How often it went away: connections from before the last time are dead."""
    return _gate.outages


def database_went_away(error: BaseException) -> None:
    """Tell that a connection was lost; `is_connection_loss` says whether one was."""
    if isinstance(error.__cause__, PoolTimeout):
        # No connection came free. That may be a burst: only Postgres knows.
        database_suspect()
        return
    _gate.went_away(error)


def loss_noted(error: BaseException) -> bool:
    """Whether the error is a lost connection; if it is, this process knows from now on."""
    if not is_connection_loss(error):
        return False
    database_went_away(error)
    return True


def asked_or(ask: Callable[[], T], otherwise: Callable[[], T]) -> T:
    """The database's answer; when it is away, or goes away meanwhile, the other one."""
    if not database_is_away():
        try:
            return ask()
        except (OperationalError, InterfaceError) as error:
            if not loss_noted(error):
                raise
    return otherwise()


def database_suspect() -> None:
    """A kept connection turned out dead: a restart, or an outage? Asks before anybody waits."""
    if not _gate.is_away and not _postgres_answers():
        _gate.went_away(OperationalError("no answer"))
