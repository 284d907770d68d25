"""What the live log says last of a run, which Postgres may not have yet. Sync, for services."""

from __future__ import annotations

from uuid import UUID

from orchestration.log.wire import unpack
from taskmapr.core import wired
from taskmapr.core.errors import QueueUnavailable


def end_told(run_id: UUID) -> str | None:
    """The status with which the run ended as its readers were told; None: they were told of no end,
    or nobody knows."""
    try:
        body = wired.ports().log.last(run_id)
    except QueueUnavailable:
        return None
    if body is None or (event := unpack(run_id, body)[-1]).kind != "run.finished":
        return None
    return str(event.data["status"])
