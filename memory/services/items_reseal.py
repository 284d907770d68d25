"""After an owner's data key was rotated: items are sealed and hashed with the new one."""

from __future__ import annotations

import logging
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from memory.models.item import PREFERENCE, MemoryItem
from memory.remembering.keys import OwnerKeys, owner_keys_read
from memory.remembering.words import words_of
from taskmapr.core.ports import KeyUnavailable

logger = logging.getLogger(__name__)

BATCH: Final = 100


def memory_items_reseal() -> int:
    """Items of other keys than their owners' present ones are sealed and hashed with those.

    Returns how many were. Batches are transactions of their own, so a job that was cut off goes on
    with the next call, and a finished one finds nothing. Searches meanwhile miss nothing: they look
    under every key. What no key opens stays as it is and is logged.
    """
    done = sum(_owner_reseal(user_id) for user_id in _owners())
    if done:
        logger.info("Memory: %d items sealed with new keys", done)
    return done


def _owners() -> list[UUID]:
    """Whose items may be of another key: those of keys that were rotated once, and never hashed
    ones."""
    rotated = Q(user__data_key__rotated_at__isnull=False, user__data_key__destroyed_at=None)
    rows = MemoryItem.objects.filter(rotated | Q(key_mark=0)).order_by()
    return list(rows.values_list("user_id", flat=True).distinct())


def _owner_reseal(user_id: UUID) -> int:
    try:
        keys = owner_keys_read(user_id)
    except KeyUnavailable as error:
        logger.warning("Memory of user %s cannot be sealed anew: %s", user_id, error)
        return 0
    old = MemoryItem.objects.filter(user_id=user_id).exclude(key_mark=keys.mark).order_by("pk")
    done, last = 0, UUID(int=0)
    while rows := _batch_reseal(old.filter(pk__gt=last), keys):
        done += sum(rows.values())
        last = max(rows)
    return done


@transaction.atomic
def _batch_reseal(old: QuerySet[MemoryItem], keys: OwnerKeys) -> dict[UUID, bool]:
    """Item id → whether it was sealed anew."""
    rows = list(old.select_for_update().defer("embedding", "keywords")[:BATCH])
    outcome = {item.pk: _reseal(item, keys) for item in rows}
    MemoryItem.objects.bulk_update(
        [item for item in rows if outcome[item.pk]], ["sealed", "keywords", "key_mark"]
    )
    return outcome


def _reseal(item: MemoryItem, keys: OwnerKeys) -> bool:
    """Only in memory."""
    try:
        content: dict[str, Any] = keys.sealer.open(item.sealed)
    except KeyUnavailable:
        logger.warning("Memory item %s cannot be sealed anew.", item.pk)
        return False
    content.setdefault("tags", [PREFERENCE] if item.is_preference else [])
    item.sealed, item.key_mark = keys.sealer.seal(content), keys.mark
    item.keywords = keys.written(words=words_of(content["text"]), tags=content["tags"])
    return True
