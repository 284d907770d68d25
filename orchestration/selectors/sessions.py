"""Reading sessions and their messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet

from orchestration.models import Message, Session
from taskmapr.core import wired
from taskmapr.core.errors import InvalidInput, NotFound
from taskmapr.core.ports import Sealer

#: Messages of a session that a model is shown at most.
REMEMBERED: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMessage:
    """A message in the clear. `items`: chat messages with the tool calls of an answer."""

    id: UUID
    role: str
    content: str
    actions: list[dict[str, Any]]
    items: list[dict[str, Any]]
    is_partial: bool
    created_at: Any


def session_owned(*, session_id: str, user_id: UUID) -> Session:
    """Raises NotFound also when the session is somebody else's."""
    session = Session.objects.filter(session_id=session_id, user_id=str(user_id)).first()
    if session is None:
        raise NotFound("There is no such session.")
    return session


def session_messages_before(
    *, session_id: str, run_id: UUID, sealer: Sealer | None = None, limit: int = REMEMBERED
) -> list[SessionMessage]:
    """What was said in a session before a run, oldest first."""
    rows = _messages(session_id).filter(run_id__lt=run_id).order_by("-run_id", "-position")[:limit]
    return [_opened(row, sealer) for row in reversed(rows)]


def session_history(
    *, session: Session, limit: int, before: str | None
) -> tuple[list[SessionMessage], str | None]:
    """One page of a conversation, oldest first, and the id from which the page before it ends.

    `before` is the id of a message. Raises InvalidInput when it is not one of this session.
    """
    rows = _messages(session.session_id).order_by("-run_id", "-position")
    if before is not None:
        rows = rows.filter(_older_than(session, before))
    page = list(rows[: limit + 1])
    following = str(page[limit - 1].id) if len(page) > limit else None
    is_sealed = any(row.is_sealed for row in page)
    sealer = wired.ports().sealers.for_user(UUID(session.user_id)) if is_sealed else None
    return [_opened(row, sealer) for row in reversed(page[:limit])], following


def _messages(session_id: str) -> QuerySet[Message]:
    return Message.objects.filter(session_id=session_id)


def _older_than(session: Session, before: str) -> Any:
    try:
        anchor = Message.objects.get(pk=UUID(before), session=session)
    except (ValueError, Message.DoesNotExist):
        raise InvalidInput.of(("before", "is not the id of a message here")) from None
    return Q(run_id__lt=anchor.run_id) | Q(run_id=anchor.run_id, position__lt=anchor.position)


def _opened(row: Message, sealer: Sealer | None) -> SessionMessage:
    whole: dict[str, Any] = {"content": row.content, "actions": row.actions, "items": row.items}
    if row.is_sealed:
        whole = sealer.open(row.content) if sealer is not None else {"content": ""}
    return SessionMessage(
        id=row.id,
        role=row.role,
        content=whole["content"],
        actions=whole.get("actions", []),
        items=whole.get("items", []),
        is_partial=row.is_partial,
        created_at=row.created_at,
    )


def session_export(session: Session) -> dict[str, Any]:
    """The conversation as JSON values, oldest first: {session_id, user_id, created_at, title,
    messages: [{id, run_id, role, created_at, is_partial, is_sealed, content?, actions?, items?}]}.

    Sealed messages come without content, for nobody but their owner may read them.
    """
    return {
        "session_id": session.pk,
        "user_id": session.user_id,
        "created_at": session.created_at,
        "title": session.title,
        "messages": [_exported(row) for row in _messages(session.pk)],
    }


def _exported(row: Message) -> dict[str, Any]:
    known = {
        "id": row.id,
        "run_id": row.run_id,
        "role": row.role,
        "created_at": row.created_at,
        "is_partial": row.is_partial,
        "is_sealed": row.is_sealed,
    }
    if row.is_sealed:
        return known
    return {**known, "content": row.content, "actions": row.actions, "items": row.items}
