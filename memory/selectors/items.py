"""Reading what is remembered about a user."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from memory.models import MemoryItem
from taskmapr.core import wired
from taskmapr.core.ports import KeyUnavailable, Sealer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One item in the clear."""

    id: UUID
    text: str
    metadata: dict[str, Any]
    tags: tuple[str, ...]
    created_at: datetime


def memory_items_tagged(*, user_id: UUID, tag: str, limit: int) -> list[Remembered]:
    """The latest items with this tag, newest first; what cannot be opened is left out."""
    living = Q(expires_at=None) | Q(expires_at__gt=datetime.now(UTC))
    rows = list(MemoryItem.objects.filter(living, user_id=user_id, tags__contains=[tag])[:limit])
    if not rows:
        return []
    sealer = wired.ports().sealers.for_user(user_id)
    opened = sealed_open(((row.pk, row.sealed) for row in rows), sealer)
    return [
        Remembered(
            id=row.pk,
            text=opened[row.pk]["text"],
            metadata=opened[row.pk]["metadata"],
            tags=tuple(row.tags),
            created_at=row.created_at,
        )
        for row in rows
        if row.pk in opened
    ]


def sealed_open(rows: Iterable[tuple[UUID, str]], sealer: Sealer) -> dict[UUID, dict[str, Any]]:
    """Item id → {"text", "metadata"}. One that cannot be opened is logged and hides no other."""
    opened: dict[UUID, dict[str, Any]] = {}
    for item_id, sealed in rows:
        try:
            opened[item_id] = sealer.open(sealed)
        except KeyUnavailable:
            logger.warning("Memory item %s cannot be opened.", item_id)
    return opened
