"""What is known of a user when a new conversation begins."""

from __future__ import annotations

import logging
from typing import Final
from uuid import UUID

from django.db import connection

from memory.selectors.items import sealed_open
from orchestration.prompts.recalled import (
    MAX_PREFERENCES,
    MAX_SESSIONS,
    NOTE_LENGTH,
    Recalled,
    session_note,
)
from taskmapr.core import wired
from taskmapr.core.ports import KeyUnavailable

logger = logging.getLogger(__name__)

# Both questions travel as one: every new conversation asks them. Sealed sessions stay out, because
# what is told here is kept in the clear with the run. Ten sessions are looked at, so that a user
# with thousands of sealed ones costs no more than others.
_SESSIONS: Final = """
(SELECT s.updated_at, s.title, asked.content, answered.content, NULL::uuid, NULL::text
 FROM (SELECT session_id, title, updated_at FROM agent_sessions
       WHERE user_id = %(user)s::text AND session_id <> %(session)s
       ORDER BY updated_at DESC LIMIT 10) s
 CROSS JOIN LATERAL (
   SELECT run_id, left(content, %(length)s) AS content FROM agent_messages
   WHERE session_id = s.session_id AND role = 'user' AND NOT is_sealed
   ORDER BY run_id DESC, position DESC LIMIT 1) asked
 LEFT JOIN LATERAL (
   SELECT left(content, %(length)s) AS content FROM agent_messages
   WHERE run_id = asked.run_id AND role = 'assistant' AND NOT is_sealed
   ORDER BY position DESC LIMIT 1) answered ON true
 ORDER BY s.updated_at DESC LIMIT %(sessions)s)
"""
_PREFERENCES: Final = """
(SELECT created_at, NULL::text, NULL::text, NULL::text, id, sealed FROM memory_memoryitem
 WHERE user_id = %(user)s AND is_preference
   AND (expires_at IS NULL OR expires_at > now())
 ORDER BY created_at DESC LIMIT %(preferences)s)
"""


def recalled_for(*, user_id: UUID, session_id: str, sessions: bool, preferences: bool) -> Recalled:
    """The latest other sessions of this user, and the preferences kept in memory.

    One query, none when both are off. A second one, for the data key, only for users who have
    preferences; one that cannot be opened is left out, for no memory is worth a lost answer.
    """
    asked = [sql for sql, wanted in ((_SESSIONS, sessions), (_PREFERENCES, preferences)) if wanted]
    if not asked:
        return Recalled()
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(asked),
            {
                "user": user_id,
                "session": session_id,
                "length": NOTE_LENGTH,
                "sessions": MAX_SESSIONS,
                "preferences": MAX_PREFERENCES,
            },
        )
        rows = cursor.fetchall()
    return Recalled(
        sessions=tuple(
            session_note(at=at, title=title, asked=question, answered=answer or "")
            for at, title, question, answer, item_id, _ in rows
            if item_id is None
        ),
        preferences=_opened(user_id, [(row[4], row[5]) for row in rows if row[4] is not None]),
    )


def _opened(user_id: UUID, items: list[tuple[UUID, str]]) -> tuple[str, ...]:
    if not items:
        return ()
    try:
        sealer = wired.ports().sealers.for_user(user_id)
    except KeyUnavailable:
        logger.warning("Memory of user %s cannot be opened: the data key is gone.", user_id)
        return ()
    return tuple(item["text"] for item in sealed_open(items, sealer).values())
