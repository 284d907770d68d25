"""Turning texts into vectors, in the background: in batches, once each, past what is refused."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from asgiref.sync import async_to_sync
from django.db import connection, transaction

from taskmapr.core import wired
from taskmapr.core.errors import ModelFailed, ModelNotConfigured, ModelRequestRefused
from taskmapr.core.ports import Embedder
from taskmapr.foundation.http import breakers

#: Texts of one request.
BATCH: Final = 64
TIMEOUT_S: Final = 30.0
#: A job ends after so many seconds; the next one goes on.
LONGEST_S: Final = 25.0
#: What every embedding model takes.
_HARMLESS: Final = "text"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A text without a vector, and what its source knows it by."""

    row: Any
    text: str


class TextSource(Protocol):
    """Where texts come from and vectors go. Called inside of a transaction."""

    #: Whoever asks the embedding model for these texts holds this advisory lock: none is paid for
    #: twice.
    lock: int

    def take(self, model: str, count: int) -> list[Waiting]:
        """The next texts that this model has neither embedded nor refused for good."""

    def store(self, model: str, waiting: Waiting, vector: Sequence[float]) -> None: ...

    def refuse(self, model: str, waiting: Waiting, reason: str) -> None:
        """The model will never take this text."""

    def trouble(self, texts: Sequence[Waiting], problem: str) -> None:
        """The model could not be asked for these texts; empty: it could."""


def texts_embed(source: TextSource) -> int:
    """Texts without a vector of the configured model have one; returns how many were made.

    Does nothing without an embedding model, or while another process does it. A batch that the
    model refuses is asked in smaller ones, down to the text that it will not take; that one is
    passed by. Stops at any other failure; the next call tries again.
    """
    embedder = wired.ports().embedder
    if embedder is None:
        return 0
    made, size, began = 0, BATCH, time.monotonic()
    while time.monotonic() - began < LONGEST_S:
        try:
            done = _batch_embed(source, embedder, size)
        except _BatchRefused:
            size = max(1, size // 2)
            continue
        made += done.made
        if done.is_last:
            break
        size = min(BATCH, size * 2)
    return made


class _BatchRefused(Exception):
    """The model refuses several texts at once: one of them, or that they are so many."""


@dataclass(frozen=True, slots=True)
class _Done:
    made: int
    #: Nothing is left to be asked now.
    is_last: bool


_NOTHING: Final = _Done(made=0, is_last=True)


def _batch_embed(source: TextSource, embedder: Embedder, size: int) -> _Done:
    """The lock is held while the model is asked, and with it this transaction: at most TIMEOUT_S,
    or twice that when a text is refused.

    The rows are not: whoever changes one meanwhile does not wait. Raises _BatchRefused.
    """
    with transaction.atomic():
        if not _is_alone(source.lock):
            return _NOTHING
        texts = source.take(embedder.model, size)
        if not texts:
            return _NOTHING
        try:
            made = _embed(source, embedder, texts)
        except (ModelFailed, ModelNotConfigured) as error:
            source.trouble(texts, error.detail)
            return _NOTHING
        source.trouble(texts, "")
        return _Done(made=made, is_last=len(texts) < size)


def _embed(source: TextSource, embedder: Embedder, texts: list[Waiting]) -> int:
    """Raises _BatchRefused, ModelFailed and its kin, ModelNotConfigured."""
    ask = async_to_sync(partial(_asked, embedder))
    try:
        vectors = ask([waiting.text for waiting in texts])
    except ModelRequestRefused as refused:
        if len(texts) > 1:
            raise _BatchRefused from refused
        # A model that refuses this, too, is not the one to ask: no fault of the text.
        ask([_HARMLESS])
        source.refuse(embedder.model, texts[0], refused.detail or "refused")
        return 0
    for waiting, vector in zip(texts, vectors, strict=True):
        source.store(embedder.model, waiting, vector)
    return len(texts)


async def _asked(embedder: Embedder, texts: list[str]) -> list[list[float]]:
    """In a loop of its own, which leaves nothing open behind."""
    try:
        return await embedder.embed(texts, timeout_s=TIMEOUT_S)
    finally:
        await breakers.close()


def _is_alone(lock: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock])
        (is_ours,) = cursor.fetchone()
    return bool(is_ours)
