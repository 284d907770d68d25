"""Turning pieces of documents into vectors, in the background."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from memory.models import KnowledgeChunk, KnowledgeCollection
from memory.models.knowledge import MAX_PROBLEM
from memory.selectors.knowledge import chunks_without_meaning
from memory.services.embedding import Waiting, texts_embed
from taskmapr.foundation.telemetry.outages import Outage

logger = logging.getLogger(__name__)
_outage: Final = Outage(
    "The embedding model cannot be used",
    impact="New knowledge is found by its words alone.",
    action="The next job tries again.",
)

#: Characters of headings that are embedded with a piece.
MAX_ABOVE: Final = 500
LOCK: Final = 0x6B6E_6F78


def knowledge_embed() -> int:
    """Pieces without a vector of the configured model have one; returns how many were made.

    As `embedding.texts_embed` does it. A piece that the model refuses is asked again when its words
    change, when its collection is indexed again, and of another model. The collections concerned
    show why pieces could not be embedded.
    """
    made = texts_embed(_Pieces())
    if made:
        logger.info("Knowledge: %d pieces embedded", made)
    return made


class _Pieces:
    """Whoever changes a file meanwhile does not wait; a vector for words that are gone is not
    stored."""

    lock = LOCK

    def take(self, model: str, count: int) -> list[Waiting]:
        pending = chunks_without_meaning(model).select_related("collection")
        chunks = pending.defer("embedding", "search").order_by("pk")[:count]
        return [Waiting(chunk, _embedded_text(chunk)) for chunk in chunks]

    def store(self, model: str, waiting: Waiting, vector: Sequence[float]) -> None:
        KnowledgeChunk.objects.filter(pk=waiting.row.pk).update(
            embedding=vector, embedding_model=model, embedding_refusal=""
        )

    def refuse(self, model: str, waiting: Waiting, reason: str) -> None:
        chunk: KnowledgeChunk = waiting.row
        KnowledgeChunk.objects.filter(pk=chunk.pk).update(
            embedding=None, embedding_model=model, embedding_refusal=reason[:MAX_PROBLEM]
        )
        logger.warning("Knowledge: %s will not embed piece %d: %s", model, chunk.pk, reason)

    def trouble(self, texts: Sequence[Waiting], problem: str) -> None:
        concerned = {waiting.row.collection_id for waiting in texts}
        rows = KnowledgeCollection.objects.filter(pk__in=concerned)
        told = rows.exclude(embedding_problem=problem[:MAX_PROBLEM])
        if told.update(embedding_problem=problem[:MAX_PROBLEM]) and problem:
            _outage.warn(problem)


def _embedded_text(chunk: KnowledgeChunk) -> str:
    """What a piece is about, then the piece: its own words may not say it."""
    above = chunk.heading if chunk.heading.startswith(chunk.title) else chunk.title
    return f"{above[:MAX_ABOVE]}\n\n{chunk.text}".strip() or "."
