"""Turning pieces into vectors, in the background."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Final

from asgiref.sync import async_to_sync
from django.db import connection, transaction

from memory.models import KnowledgeChunk, KnowledgeCollection
from memory.models.knowledge import MAX_PROBLEM
from memory.selectors.knowledge import chunks_without_meaning
from taskmapr.core import wired
from taskmapr.core.errors import ModelFailed, ModelNotConfigured, ModelRequestRefused
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
#: What every embedding model takes.
_HARMLESS: Final = "text"
#: A job ends after so many seconds; the next one goes on.
LONGEST_S: Final = 25.0
#: Whoever asks the embedding model for pieces holds this advisory lock: no text is paid for twice.
_LOCK: Final = 0x6B6E_6F78


def knowledge_embed() -> int:
    """Pieces without a vector of the configured model have one; returns how many were made.

    Does nothing without an embedding model, or while another process does it. A batch that the
    model refuses is asked in smaller ones, down to the piece that it will not take; that one is
    marked and passed by. Stops at any other failure, which the collections concerned then show; the
    next call tries again.
    """
    embedder = wired.ports().embedder
    if embedder is None:
        return 0
    made, size, began = 0, BATCH, time.monotonic()
    while time.monotonic() - began < LONGEST_S:
        try:
            done = _batch_embed(embedder, size)
        except _BatchRefused:
            size = max(1, size // 2)
            continue
        made += done.made
        if done.is_last:
            break
        size = min(BATCH, size * 2)
    if made:
        logger.info("Knowledge: %d pieces embedded by %s", made, embedder.model)
    return made


class _BatchRefused(Exception):
    """The model refuses several texts at once: one of them, or that they are so many."""


@dataclass(frozen=True, slots=True)
class _Done:
    made: int
    #: Nothing is left to be asked now.
    is_last: bool


_NOTHING: Final = _Done(made=0, is_last=True)


def _batch_embed(embedder: Embedder, size: int) -> _Done:
    """The lock is held while the model is asked, and with it this transaction: at most TIMEOUT_S,
    or twice that when a piece is refused.

    The pieces are not: whoever changes a file meanwhile does not wait, and a vector for words that
    are gone is not stored. Raises _BatchRefused.
    """
    with transaction.atomic():
        if not _is_alone():
            return _NOTHING
        pending = chunks_without_meaning(embedder.model).select_related("collection")
        chunks = list(pending.defer("embedding", "search").order_by("pk")[:size])
        if not chunks:
            return _NOTHING
        collections = {chunk.collection_id for chunk in chunks}
        try:
            made = _chunks_embed(embedder, chunks)
        except (ModelFailed, ModelNotConfigured) as error:
            _problem_store(collections, error.detail)
            return _NOTHING
        _problem_store(collections, "")
        return _Done(made=made, is_last=len(chunks) < size)


def _chunks_embed(embedder: Embedder, chunks: list[KnowledgeChunk]) -> int:
    """Raises _BatchRefused, ModelFailed and its kin, ModelNotConfigured."""
    texts = [_embedded_text(chunk) for chunk in chunks]
    ask = async_to_sync(embedder.embed)
    try:
        vectors = ask(texts, timeout_s=TIMEOUT_S)
    except ModelRequestRefused as refused:
        if len(chunks) > 1:
            raise _BatchRefused from refused
        # A model that refuses this, too, is not the one to ask: no fault of the piece.
        ask([_HARMLESS], timeout_s=TIMEOUT_S)
        _refusal_store(chunks[0], embedder.model, refused.detail)
        return 0
    for chunk, vector in zip(chunks, vectors, strict=True):
        KnowledgeChunk.objects.filter(pk=chunk.pk).update(
            embedding=vector, embedding_model=embedder.model, embedding_refusal=""
        )
    return len(chunks)


def _refusal_store(chunk: KnowledgeChunk, model: str, reason: str) -> None:
    """Asked again when its words change, when its collection is indexed again, and of another
    model."""
    KnowledgeChunk.objects.filter(pk=chunk.pk).update(
        embedding=None, embedding_model=model, embedding_refusal=reason[:MAX_PROBLEM] or "refused"
    )
    logger.warning("Knowledge: %s will not embed piece %d: %s", model, chunk.pk, reason)


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
