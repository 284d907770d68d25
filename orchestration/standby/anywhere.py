"""One answer whether a thing is in Postgres or, begun while that was away, in Redis."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from orchestration.selectors.runs import (
    ReadableRun,
    run_events,
    run_exists,
    run_owned,
    run_readable,
)
from orchestration.selectors.sessions import SessionMessage, session_history, session_owned
from orchestration.services.run_end import run_cancel, run_fail_unclaimed
from orchestration.standby.ending import standby_cancel, standby_fail_unclaimed
from orchestration.standby.reading import standby_history, standby_readable
from orchestration.standby.rows import standby_events
from taskmapr.core.errors import (
    NotFound,
    QueueUnavailable,
    RunNotFound,
    Unavailable,
)
from taskmapr.core.events import Event
from taskmapr.core.ports import Sealer
from taskmapr.foundation.database_state import asked_or

T = TypeVar("T")


def stored_or_standby(stored: Callable[[], T], standby: Callable[[], T]) -> T:
    """What Postgres says; while it is away, or does not know of the thing, what Redis says.

    Raises what `stored` raises when Redis does not know it either, or cannot be asked.
    """
    try:
        return asked_or(stored, standby)
    except NotFound as missing:
        try:
            return standby()
        except (NotFound, Unavailable):
            raise missing from None


def events_anywhere(run_id: UUID, after: int, sealer: Sealer | None) -> list[Event]:
    """Stored events after a cursor, wherever the run is: the `StoredEvents` of a log reader."""
    return stored_or_standby(
        lambda: _stored_events(run_id, after, sealer), lambda: _standby_events(run_id, after)
    )


def _stored_events(run_id: UUID, after: int, sealer: Sealer | None) -> list[Event]:
    """Raises RunNotFound for a run of which Postgres knows nothing.

    Redis is not asked for what Postgres has: readers come here because Redis is away, and one that
    hangs would hold a database thread for seconds each time.
    """
    events = run_events(run_id, after, sealer)
    if not events and not run_exists(run_id):
        raise RunNotFound
    return events


def _standby_events(run_id: UUID, after: int) -> list[Event]:
    try:
        return standby_events(run_id, after)
    except QueueUnavailable:
        return []


def readable_anywhere(*, run_id: UUID, user_id: UUID) -> ReadableRun:
    """The owner's run, ready to be followed. Raises RunNotFound, EventsExpired."""
    return stored_or_standby(
        lambda: run_readable(run_id=run_id, user_id=user_id),
        lambda: standby_readable(run_id=run_id, user_id=user_id),
    )


def history_anywhere(
    *, session_id: str, user_id: UUID, limit: int, before: str | None
) -> tuple[list[SessionMessage], str | None]:
    """See `session_history`. Raises NotFound also when the session is somebody else's."""
    return stored_or_standby(
        lambda: session_history(
            session=session_owned(session_id=session_id, user_id=user_id),
            limit=limit,
            before=before,
        ),
        lambda: standby_history(session_id=session_id, user_id=user_id, limit=limit, before=before),
    )


def cancel_anywhere(*, run_id: UUID, user_id: UUID, by: str) -> None:
    """Stop the owner's run. Raises RunNotFound and AlreadyFinished."""
    stored_or_standby(
        lambda: run_cancel(run_id=run_owned(run_id=run_id, user_id=user_id).pk, by=by),
        lambda: standby_cancel(run_id=run_id, user_id=user_id, by=by),
    )


def fail_unclaimed_anywhere(run_id: UUID) -> bool:
    """End a run that no worker took for too long. False: it is not so, or nobody can tell."""
    return stored_or_standby(
        lambda: run_fail_unclaimed(run_id=run_id) or _standby_unclaimed(run_id),
        lambda: _standby_unclaimed(run_id),
    )


def _standby_unclaimed(run_id: UUID) -> bool:
    try:
        return standby_fail_unclaimed(run_id=run_id)
    except QueueUnavailable:
        return False
