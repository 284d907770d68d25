"""What workers do every few seconds for runs that began without Postgres."""

from __future__ import annotations

import logging

from django.db import InterfaceError, OperationalError

from orchestration.standby.ending import standby_sweep
from orchestration.standby.moving import standby_session_move
from orchestration.standby.records import SESSIONS
from taskmapr.core import wired
from taskmapr.foundation.database_state import database_is_away, loss_noted

logger = logging.getLogger(__name__)


def standby_look_after() -> None:
    """End runs whose worker is gone; move what has ended to Postgres when that is back.

    Safe for several workers at once. Raises QueueUnavailable.
    """
    store = wired.ports().standby
    if not store.marked(SESSIONS):
        return
    if lost := standby_sweep():
        logger.warning("%d runs that began without Postgres lost their worker", lost)
    for session_id in store.marked(SESSIONS):
        if database_is_away():
            return
        _move(session_id)


def _move(session_id: str) -> None:
    try:
        moved = standby_session_move(session_id)
    except (OperationalError, InterfaceError) as error:
        if not loss_noted(error):
            logger.warning("session %s is moved later: %s", session_id, type(error).__name__)
    except Exception:
        # One session that cannot be moved must not keep the others; it stays in Redis for a day.
        logger.exception("session %s cannot be moved to Postgres", session_id)
    else:
        if moved:
            logger.info("session %s: %d runs moved to Postgres", session_id, moved)
