"""Remembering things about a user, and forgetting them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from memory.models.item import MAX_NAMESPACE, MAX_TAG, MemoryItem
from taskmapr.core import wired
from taskmapr.core.errors import InvalidInput

MAX_TEXT: Final = 32_000
MAX_TAGS: Final = 20
MAX_METADATA_BYTES: Final = 16_384


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
    """Keep a text for its owner, sealed with the owner's data key.

    text: 1 to 32,000 characters without outer spaces. tags: at most 20 of 1 to 64 characters,
    doubles are dropped. metadata: JSON of at most 16 KiB. ttl_s: seconds until it is forgotten, at
    least 1; None keeps it. Raises InvalidInput, and KeyUnavailable when the owner's key is gone.
    """
    text = text.strip()
    problems = [*_problems(text, tags, namespace, ttl_s), *_metadata_problems(metadata)]
    if problems:
        raise InvalidInput.of(*problems)
    sealer = wired.ports().sealers.for_user(user_id)
    now = datetime.now(UTC)
    return MemoryItem.objects.create(
        user_id=user_id,
        namespace=namespace,
        sealed=sealer.seal({"text": text, "metadata": dict(metadata or {})}),
        size_bytes=len(text.encode()),
        tags=list(dict.fromkeys(tags)),
        source_run_id=source_run_id,
        expires_at=None if ttl_s is None else now + timedelta(seconds=ttl_s),
        created_at=now,
        updated_at=now,
    )


def _problems(
    text: str, tags: Sequence[str], namespace: str, ttl_s: int | None
) -> list[tuple[str, str]]:
    problems = []
    if not 1 <= len(text) <= MAX_TEXT:
        problems.append(("text", f"must have 1 to {MAX_TEXT} characters"))
    if len(tags) > MAX_TAGS or not all(1 <= len(tag) <= MAX_TAG for tag in tags):
        problems.append(("tags", f"must be at most {MAX_TAGS} of 1 to {MAX_TAG} characters"))
    if not 1 <= len(namespace) <= MAX_NAMESPACE:
        problems.append(("namespace", f"must have 1 to {MAX_NAMESPACE} characters"))
    if ttl_s is not None and ttl_s < 1:
        problems.append(("ttl_s", "must be at least 1"))
    return problems


def _metadata_problems(metadata: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    try:
        size = len(orjson.dumps(dict(metadata or {})))
    except TypeError:
        return [("metadata", "must be plain JSON")]
    if size > MAX_METADATA_BYTES:
        return [("metadata", f"must be at most {MAX_METADATA_BYTES} bytes")]
    return []


def memory_items_delete(*, user_id: UUID) -> int:
    """Forget everything about one user. Returns how many items there were."""
    return MemoryItem.objects.filter(user_id=user_id).delete()[0]


def memory_items_delete_of_runs(*, run_ids: Collection[UUID]) -> int:
    """Forget what these runs have written. Returns how many items there were."""
    return MemoryItem.objects.filter(source_run_id__in=run_ids).delete()[0]


def memory_items_expire() -> int:
    """Forget what is past its time. Returns how many items there were."""
    return MemoryItem.objects.filter(expires_at__lte=datetime.now(UTC)).delete()[0]


def user_memory_erase(*, user_id: UUID) -> dict[str, int]:
    """This app's part of erasing an account."""
    return {"memory_items": memory_items_delete(user_id=user_id)}
