"""Turning pieces into vectors, in the background."""

from __future__ import annotations

import logging
import time
from typing import Final

from asgiref.sync import async_to_sync
from django.db import connection, transaction

from memory.models import KnowledgeChunk, KnowledgeCollection
from memory.models.knowledge import MAX_PROBLEM
from memory.selectors.knowledge import chunks_without_meaning
from taskmapr.core import wired
from taskmapr.core.errors import ModelFailed, ModelNotConfigured
from taskmapr.core.ports import Embedder
from taskmapr.foundation.telemetry.outages import Outage

logger = logging.getLogger(__name__)
_outage: Final = Outage(
    "The embedding model cannot be used",
    impact="New knowledge is found by its words alone.",
    action="The next job tries again.",
)

#: Texts of one request.
BATCH: Final = 64
TIMEOUT_S: Final = 30.0
#: Characters of headings that are embedded with a piece.
MAX_ABOVE: Final = 500
#: A job ends after so many seconds; the next one goes on.
LONGEST_S: Final = 25.0
#: Whoever asks the embedding model for pieces holds this advisory lock: no text is paid for twice.
_LOCK: Final = 0x6B6E_6F78


def knowledge_embed() -> int:
    """Pieces without a vector of the configured model have one; returns how many were made.

    Does nothing without an embedding model, or while another process does it. Stops at the first
    failure, which the collections concerned then show; the next call tries again.
    """
    embedder = wired.ports().embedder
    if embedder is None:
        return 0
    made, began = 0, time.monotonic()
    while time.monotonic() - began < LONGEST_S:
        count = _batch_embed(embedder)
        made += count
        if count < BATCH:
            break
    if made:
        logger.info("Knowledge: %d pieces embedded by %s", made, embedder.model)
    return made


def _batch_embed(embedder: Embedder) -> int:
    """The lock is held while the model is asked, and with it this transaction: at most TIMEOUT_S.

    The pieces are not: whoever changes a file meanwhile does not wait, and a vector for words that
    are gone is not stored.
    """
    with transaction.atomic():
        if not _is_alone():
            return 0
        pending = chunks_without_meaning(embedder.model).select_related("collection")
        chunks = list(pending.defer("embedding", "search").order_by("pk")[:BATCH])
        if not chunks:
            return 0
        collections = {chunk.collection_id for chunk in chunks}
        try:
            texts = [_embedded_text(chunk) for chunk in chunks]
            vectors = async_to_sync(embedder.embed)(texts, timeout_s=TIMEOUT_S)
        except (ModelFailed, ModelNotConfigured) as error:
            _problem_store(collections, error.detail)
            return 0
        for chunk, vector in zip(chunks, vectors, strict=True):
            KnowledgeChunk.objects.filter(pk=chunk.pk).update(
                embedding=vector, embedding_model=embedder.model
            )
        _problem_store(collections, "")
        return len(chunks)


def _is_alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        (is_ours,) = cursor.fetchone()
    return bool(is_ours)


def _embedded_text(chunk: KnowledgeChunk) -> str:
    """What a piece is about, then the piece: its own words may not say it."""
    above = chunk.heading if chunk.heading.startswith(chunk.title) else chunk.title
    return f"{above[:MAX_ABOVE]}\n\n{chunk.text}".strip() or "."


def _problem_store(collection_ids: set[int], problem: str) -> None:
    concerned = KnowledgeCollection.objects.filter(pk__in=collection_ids)
    told = concerned.exclude(embedding_problem=problem[:MAX_PROBLEM])
    if told.update(embedding_problem=problem[:MAX_PROBLEM]) and problem:
        _outage.warn(problem)
