"""Turning what is remembered into vectors, in the background and just before a search."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from memory.models.item import MAX_REFUSAL, MemoryItem
from memory.remembering.keys import owner_keys_read
from memory.selectors.items import LIVING_ITEMS
from memory.services.embedding import Waiting, texts_embed
from taskmapr.core import jobs, wired
from taskmapr.core.errors import NotConfigured
from taskmapr.core.ports import KeyUnavailable, Sealer
from taskmapr.foundation.telemetry.outages import Outage

logger = logging.getLogger(__name__)
_outage: Final = Outage(
    "The embedding model cannot be used",
    impact="What is remembered now is found by its words alone.",
    action="The next job tries again.",
)

#: Characters of a text that its vector is made of: more than most embedding models would refuse.
MAX_EMBEDDED: Final = 8_000
LOCK: Final = 0x6D65_6D73
_KEY_GONE: Final = "Its owner's key does not open it."


def memory_items_embed() -> int:
    """Items without a vector of the configured model have one; returns how many were made.

    As `embedding.texts_embed` does it. The model is sent the first MAX_EMBEDDED characters of a
    text. An item that cannot be opened, or that the model refuses, is passed by until its owner's
    items are embedded anew, or another model is configured.
    """
    made = texts_embed(_Items())
    if made:
        logger.info("Memory: %d items embedded", made)
    return made


def memory_items_waiting(*, user_id: UUID, model: str, limit: int) -> list[Waiting]:
    """The latest items of one user that this model has not embedded, `row` being their ids.

    Those that cannot be opened are marked, and left out.
    """
    rows = _waiting(model).filter(user_id=user_id).order_by("-pk")[:limit]
    return _opened(model, rows.values_list("pk", "user_id", "sealed"))


def memory_vectors_store(*, model: str, vectors: Iterable[tuple[UUID, Sequence[float]]]) -> None:
    """Items that are gone meanwhile stay gone."""
    for item_id, vector in vectors:
        MemoryItem.objects.filter(pk=item_id).update(
            embedding=vector, embedding_model=model, embedding_refusal=""
        )


def memory_items_reembed(*, user_id: UUID) -> int:
    """Have all items of one user embedded again, refused ones too. Returns how many there are.

    Until then they are found by their words. Raises NotConfigured without an embedding model, and
    QueueUnavailable; the items wait for the next job then.
    """
    if wired.ports().embedder is None:
        raise NotConfigured("No embedding model is configured.")
    own = MemoryItem.objects.filter(user_id=user_id)
    count = own.update(embedding_model="", embedding_refusal="")
    wired.ports().queue.enqueue(jobs.MEMORY_ITEMS_EMBED, queue=jobs.QUEUE_CHORES)
    return count


def _waiting(model: str) -> QuerySet[MemoryItem]:
    # Two ranges instead of one inequality: the index answers them.
    other = Q(embedding_model__lt=model) | Q(embedding_model__gt=model)
    return MemoryItem.objects.filter(LIVING_ITEMS, other)


class _Items:
    lock = LOCK

    def take(self, model: str, count: int) -> list[Waiting]:
        while True:
            rows = list(
                _waiting(model).order_by("pk").values_list("pk", "user_id", "sealed")[:count]
            )
            texts = _opened(model, rows)
            if texts or not rows:
                return texts

    def store(self, model: str, waiting: Waiting, vector: Sequence[float]) -> None:
        memory_vectors_store(model=model, vectors=[(waiting.row, vector)])

    def refuse(self, model: str, waiting: Waiting, reason: str) -> None:
        _refuse(model, waiting.row, reason)

    def trouble(self, texts: Sequence[Waiting], problem: str) -> None:
        if problem:
            _outage.warn(problem)


def _opened(model: str, rows: Iterable[tuple[UUID, UUID, str]]) -> list[Waiting]:
    """The texts of items (id, owner, sealed); what cannot be opened is marked and left out."""
    sealers: dict[UUID, Sealer | None] = {}
    texts = []
    for item_id, user_id, sealed in rows:
        if user_id not in sealers:
            sealers[user_id] = _sealer(user_id)
        try:
            if (sealer := sealers[user_id]) is None:
                raise KeyUnavailable  # noqa: TRY301 - both ways of not opening it end alike
            texts.append(Waiting(item_id, sealer.open(sealed)["text"][:MAX_EMBEDDED]))
        except KeyUnavailable:
            _refuse(model, item_id, _KEY_GONE)
    return texts


def _sealer(user_id: UUID) -> Sealer | None:
    try:
        return owner_keys_read(user_id).sealer
    except KeyUnavailable:
        return None


def _refuse(model: str, item_id: UUID, reason: str) -> None:
    MemoryItem.objects.filter(pk=item_id).update(
        embedding=None, embedding_model=model, embedding_refusal=reason[:MAX_REFUSAL]
    )
    logger.warning("Memory: item %s has no vector: %s", item_id, reason)
