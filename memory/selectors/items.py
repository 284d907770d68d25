"""Reading what is remembered about a user."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from memory.remembering.keys import OwnerKeys, under_current_keys
from memory.remembering.statements import KEY_IS_CURRENT, LIVING
from taskmapr.core.errors import MemoryNotFound
from taskmapr.core.ports import KeyUnavailable, Sealer

logger = logging.getLogger(__name__)

#: Items that are not past their time, by the database's clock.
LIVING_ITEMS: Final = Q(expires_at=None) | Q(expires_at__gt=Now())


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One item in the clear."""

    id: UUID
    text: str
    metadata: dict[str, Any]
    tags: tuple[str, ...]
    namespace: str
    #: Whether it can be found by meaning now.
    is_embedded: bool
    created_at: datetime
    expires_at: datetime | None


_READ: Final = f"""
SELECT i.id, i.sealed, i.namespace, i.embedding IS NOT NULL AND i.embedding_model <> '',
  i.created_at, i.expires_at
FROM (SELECT 1 {KEY_IS_CURRENT}) AS key
LEFT JOIN memory_memoryitem i ON {LIVING} AND {{}}
ORDER BY i.created_at DESC, i.id DESC LIMIT %(limit)s"""  # noqa: S608 - made of constants


def memory_item_get(*, user_id: UUID, item_id: UUID) -> Remembered:
    """One of the user's own items that is not past its time.

    Raises MemoryNotFound, also for an item that its key does not open, and KeyUnavailable when the
    user's key is gone.
    """
    values: dict[str, Any] = {"item": item_id, "limit": 1}
    statement = _READ.format("i.id = %(item)s::uuid")
    for item in under_current_keys(user_id, partial(_read, user_id, statement, values)):
        return item
    raise MemoryNotFound


def memory_items_tagged(*, user_id: UUID, tag: str, limit: int) -> list[Remembered]:
    """The latest items with this tag, newest first; what cannot be opened is left out.

    Raises KeyUnavailable when the user's key is gone.
    """
    return under_current_keys(user_id, partial(_read_tagged, user_id, tag, limit))


def _read_tagged(user_id: UUID, tag: str, limit: int, keys: OwnerKeys) -> list[Remembered] | None:
    condition, values = tags_condition(keys, [tag])
    return _read(user_id, _READ.format(condition), {**values, "limit": limit}, keys)


def tags_condition(keys: OwnerKeys, tags: Iterable[str]) -> tuple[str, dict[str, Any]]:
    """Whether an item `i` has all of these tags, as SQL and its parameters."""
    values = {f"tags{n}": hashes for n, hashes in enumerate(keys.tagged(tags))}
    either = " OR ".join(f"i.keywords @> %({name})s::bigint[]" for name in values)
    return f"({either})", values


def _read(
    user_id: UUID, statement: str, values: dict[str, Any], keys: OwnerKeys
) -> list[Remembered] | None:
    """None when these keys are not the owner's any more."""
    own: dict[str, Any] = {"user": user_id, "wrapped": keys.wrapped, "retired": keys.retired}
    with connection.cursor() as cursor:
        cursor.execute(statement, {**values, **own})
        rows = cursor.fetchall()
    if not rows:
        return None
    found = [row for row in rows if row[0] is not None]
    opened = sealed_open(((row[0], row[1]) for row in found), keys.sealer)
    return [
        Remembered(
            id=item_id,
            text=opened[item_id]["text"],
            metadata=opened[item_id]["metadata"],
            tags=tuple(opened[item_id].get("tags", ())),
            namespace=namespace,
            is_embedded=is_embedded,
            created_at=created_at,
            expires_at=expires_at,
        )
        for item_id, _, namespace, is_embedded, created_at, expires_at in found
        if item_id in opened
    ]


def sealed_open(rows: Iterable[tuple[UUID, str]], sealer: Sealer) -> dict[UUID, dict[str, Any]]:
    """Item id → {"text", "tags", "metadata"}. One that cannot be opened is logged and hides no
    other."""
    opened: dict[UUID, dict[str, Any]] = {}
    for item_id, sealed in rows:
        try:
            opened[item_id] = sealer.open(sealed)
        except KeyUnavailable:
            logger.warning("Memory item %s cannot be opened.", item_id)
    return opened
