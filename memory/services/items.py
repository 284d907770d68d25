"""Remembering things about a user, and forgetting them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import connection
from django.db.models.functions import Now

from memory.models.item import MAX_NAMESPACE, MAX_TAG, PREFERENCE, MemoryItem
from memory.remembering.keys import OwnerKeys, under_current_keys
from memory.remembering.statements import WRITE
from memory.remembering.words import words_of
from memory.selectors.items import LIVING_ITEMS
from taskmapr.core.errors import InvalidInput, MemoryNotFound
from taskmapr.core.ids import uuid7

MAX_TEXT: Final = 32_000
MAX_TAGS: Final = 20
MAX_METADATA_BYTES: Final = 16_384
#: A hundred years.
MAX_TTL_S: Final = 3_155_760_000


def memory_item_add(
    *,
    user_id: UUID,
    text: str,
    tags: Sequence[str] = (),
    namespace: str = "default",
    metadata: Mapping[str, Any] | None = None,
    ttl_s: int | None = None,
    source_run_id: UUID | None = None,
) -> MemoryItem:
    """Keep a text for its owner, sealed with the owner's data key and found by its words at once.

    text: 1 to 32,000 characters without outer spaces. tags: at most 20 of 1 to 64 characters,
    doubles are dropped. namespace: 1 to 64 printable characters, kept in the clear. metadata: JSON
    of at most 16 KiB. ttl_s: seconds by the database's clock until it is forgotten, 1 to MAX_TTL_S;
    None keeps it. A job makes the vector later.

    One statement, and a second one for the key about once a minute. Raises InvalidInput, and
    KeyUnavailable when the owner's key is gone.
    """
    text = text.strip()
    problems = [*_problems(text, tags, namespace, ttl_s), *_metadata_problems(metadata)]
    if problems:
        raise InvalidInput.of(*problems)
    item = MemoryItem(
        id=uuid7(),
        user_id=user_id,
        namespace=namespace,
        size_bytes=len(text.encode()),
        is_preference=PREFERENCE in tags,
        source_run_id=source_run_id,
    )
    content = {"text": text, "tags": list(dict.fromkeys(tags)), "metadata": dict(metadata or {})}
    return under_current_keys(user_id, partial(_item_write, item, content, ttl_s))


def _item_write(
    item: MemoryItem, content: dict[str, Any], ttl_s: int | None, keys: OwnerKeys
) -> MemoryItem | None:
    """None when these keys are not the owner's any more; nothing is written then."""
    item.sealed, item.key_mark = keys.sealer.seal(content), keys.mark
    item.keywords = keys.written(words=words_of(content["text"]), tags=content["tags"])
    values: dict[str, Any] = {
        "id": item.pk,
        "user": item.user_id,
        "namespace": item.namespace,
        "sealed": item.sealed,
        "size": item.size_bytes,
        "keywords": item.keywords,
        "mark": item.key_mark,
        "is_preference": item.is_preference,
        "run": item.source_run_id,
        "ttl": ttl_s,
        "wrapped": keys.wrapped,
        "retired": keys.retired,
    }
    with connection.cursor() as cursor:
        cursor.execute(WRITE, values)
        stored = cursor.fetchone()
    if stored is None:
        return None
    item.created_at, item.expires_at = stored
    item.updated_at = item.created_at
    item._state.adding = False
    return item


def _problems(
    text: str, tags: Sequence[str], namespace: str, ttl_s: int | None
) -> list[tuple[str, str]]:
    problems = []
    if not 1 <= len(text) <= MAX_TEXT or not _is_unicode(text):
        problems.append(("text", f"must have 1 to {MAX_TEXT} characters"))
    if len(tags) > MAX_TAGS or not all(1 <= len(tag) <= MAX_TAG for tag in tags):
        problems.append(("tags", f"must be at most {MAX_TAGS} of 1 to {MAX_TAG} characters"))
    elif not all(map(_is_unicode, tags)):
        problems.append(("tags", "must be text"))
    if not 1 <= len(namespace) <= MAX_NAMESPACE or not namespace.isprintable():
        problems.append(("namespace", f"must have 1 to {MAX_NAMESPACE} printable characters"))
    if ttl_s is not None and not 1 <= ttl_s <= MAX_TTL_S:
        problems.append(("ttl_s", f"must be 1 to {MAX_TTL_S}"))
    return problems


def _is_unicode(text: str) -> bool:
    """Whether it can be written down: halves of surrogate pairs cannot."""
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)


def _metadata_problems(metadata: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if not metadata:
        return []
    try:
        size = len(orjson.dumps(dict(metadata)))
    except TypeError:
        return [("metadata", "must be plain JSON")]
    if size > MAX_METADATA_BYTES:
        return [("metadata", f"must be at most {MAX_METADATA_BYTES} bytes")]
    return []


def memory_item_delete(*, user_id: UUID, item_id: UUID) -> None:
    """Forget one item. Raises MemoryNotFound when it is not this user's, or not there."""
    own = MemoryItem.objects.filter(LIVING_ITEMS, pk=item_id, user_id=user_id)
    if not own.delete()[0]:
        raise MemoryNotFound


def memory_items_delete(*, user_id: UUID) -> int:
    """Forget everything about one user. Returns how many items there were."""
    return MemoryItem.objects.filter(user_id=user_id).delete()[0]


def memory_items_delete_of_runs(*, run_ids: Collection[UUID]) -> int:
    """Forget what these runs have written. Returns how many items there were."""
    return MemoryItem.objects.filter(source_run_id__in=run_ids).delete()[0]


def memory_items_expire(*, user_id: UUID | None = None) -> int:
    """Forget what is past its time by the database's clock. Returns how many items there were.

    user_id: only of this user; None: of everybody.
    """
    own = {} if user_id is None else {"user_id": user_id}
    return MemoryItem.objects.filter(expires_at__lte=Now(), **own).delete()[0]


def user_memory_erase(*, user_id: UUID) -> dict[str, int]:
    """This app's part of erasing an account."""
    own = MemoryItem.objects.filter(user_id=user_id)
    vectors = own.exclude(embedding=None).count()
    return {"memory_items": memory_items_delete(user_id=user_id), "memory_vectors": vectors}
