"""Reading what began while Postgres was away."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from orchestration.selectors.runs import ReadableRun
from orchestration.selectors.sessions import REMEMBERED, SessionMessage
from orchestration.standby.records import session_key
from orchestration.standby.rows import is_open, standby_run, time_of
from taskmapr.core import wired
from taskmapr.core.errors import InvalidInput, NotFound
from taskmapr.core.ports import Document


def standby_readable(*, run_id: UUID, user_id: UUID) -> ReadableRun:
    """The counterpart of `run_readable`. Raises RunNotFound."""
    run = standby_run(run_id, user_id=user_id)
    return ReadableRun(
        run_id=run_id,
        kind=run["kind"],
        status=run["status"],
        session_id=run["session_id"],
        is_final=not is_open(run),
        last_seq=run["last_seq"],
        sealer=None,
    )


def standby_history(
    *, session_id: str, user_id: UUID, limit: int, before: str | None
) -> tuple[list[SessionMessage], str | None]:
    """The counterpart of `session_history`. Raises NotFound also when it is somebody else's."""
    document = wired.ports().standby.read(session_key(session_id))
    if document is None or document["user_id"] != str(user_id):
        raise NotFound("There is no such session.")
    messages = _in_order(document)
    if before is not None:
        ids = [message["id"] for message in messages]
        if before not in ids:
            raise InvalidInput.of(("before", "is not the id of a message here"))
        messages = messages[: ids.index(before)]
    page = messages[-limit:]
    following = page[0]["id"] if len(messages) > limit else None
    return [_message(message) for message in page], following


def standby_messages_before(*, session_id: str, run_id: UUID) -> list[SessionMessage]:
    """What was said in a session before a run, oldest first."""
    document: Document = wired.ports().standby.read(session_key(session_id)) or {"messages": []}
    earlier = [m for m in _in_order(document) if UUID(m["run_id"]) < run_id]
    return [_message(message) for message in earlier[-REMEMBERED:]]


def _in_order(document: Document) -> list[dict[str, Any]]:
    """Run ids sort by time; an answer comes after its question."""
    return sorted(document["messages"], key=lambda m: (UUID(m["run_id"]), m["position"]))


def _message(message: dict[str, Any]) -> SessionMessage:
    return SessionMessage(
        id=UUID(message["id"]),
        role=message["role"],
        content=message["content"],
        actions=message["actions"],
        items=message["items"],
        is_partial=message["is_partial"],
        created_at=time_of(message["created_at"]),
    )
