"""Searching what is remembered about a user: by words, by meaning, and by both together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal
from uuid import UUID

from django.db import connection

from memory.knowledge.meaning import Meaning
from memory.remembering.keys import OwnerKeys, under_current_keys
from memory.remembering.statements import search_statement
from memory.remembering.words import words_asked
from memory.selectors.items import sealed_open, tags_condition

LIMIT: Final = 10
MAX_LIMIT: Final = 50

Mode = Literal["hybrid", "semantic", "keyword"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An item that a search found, in the clear.

    score: 1 = first in every list, above 0. semantic_score: how close its meaning is, -1 to 1;
    None when it was not asked or the item has no vector. keyword_score: the part of the question's
    words that it has, by weight, 0 to 1; None when words were not asked for.
    """

    id: UUID
    text: str
    tags: tuple[str, ...]
    metadata: dict[str, Any]
    created_at: datetime
    score: float
    semantic_score: float | None
    keyword_score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    user_id: UUID
    words: list[str]
    meaning: Meaning | None
    limit: int
    tags: Sequence[str]
    namespace: str | None


def memory_items_search(
    *,
    user_id: UUID,
    query: str,
    mode: Mode,
    meaning: Meaning | None,
    limit: int = LIMIT,
    tags: Sequence[str] = (),
    namespace: str | None = None,
) -> list[Found]:
    """The user's own items that are not past their time, the best first.

    meaning: of the query; None: words alone, whatever the mode. tags: an item must have all.
    namespace: None searches in all. limit: 1 to MAX_LIMIT. Measures the distance to each of the
    user's vectors. One statement, and a second one for the key about once a minute. What cannot be
    opened is left out. Raises KeyUnavailable when the user's key is gone.
    """
    by_words = mode != "semantic" or meaning is None
    question = _Question(
        user_id=user_id,
        words=words_asked(query) if by_words else [],
        meaning=None if mode == "keyword" else meaning,
        limit=limit,
        tags=tuple(dict.fromkeys(tags)),
        namespace=namespace,
    )
    # Nothing was ever written into a namespace with odd signs, and the database takes no NUL.
    is_odd = namespace is not None and not namespace.isprintable()
    if is_odd or (not question.words and question.meaning is None):
        return []
    return under_current_keys(user_id, partial(_found, question))


def _found(question: _Question, keys: OwnerKeys) -> list[Found] | None:
    """None when these keys are not the owner's any more."""
    statement, values = _statement(question, keys)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows = cursor.fetchall()
    if not rows:
        return None
    found = [row for row in rows if row[0] is not None]
    opened = sealed_open(((row[0], row[1]) for row in found), keys.sealer)
    return [
        Found(
            id=item_id,
            text=opened[item_id]["text"],
            tags=tuple(opened[item_id].get("tags", ())),
            metadata=opened[item_id]["metadata"],
            created_at=created_at,
            score=round(score, 4),
            semantic_score=None if likeness is None else round(likeness, 4),
            keyword_score=None if share is None else round(share, 4),
        )
        for item_id, _, created_at, score, likeness, share in found
        if item_id in opened
    ]


def _statement(question: _Question, keys: OwnerKeys) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {
        "user": question.user_id,
        "limit": question.limit,
        "wrapped": keys.wrapped,
        "retired": keys.retired,
    }
    filters = ""
    if question.namespace is not None:
        filters += " AND i.namespace = %(namespace)s"
        values["namespace"] = question.namespace
    if question.tags:
        condition, tagged = tags_condition(keys, question.tags)
        filters += f" AND {condition}"
        values |= tagged
    if question.words:
        values |= _asked(question.words, keys)
    if question.meaning is not None:
        values["vector"] = "[" + ",".join(map(repr, question.meaning.vector)) + "]"
        values["model"] = question.meaning.model
    statement = search_statement(
        by_words=bool(question.words),
        by_meaning=question.meaning is not None,
        filters=filters,
    )
    return statement, values


def _asked(words: list[str], keys: OwnerKeys) -> dict[str, Any]:
    """Each word has a hash under each key; all of them stand for the same word."""
    hashes = keys.asked(words)
    return {
        "hashes": [one for under_key in hashes for one in under_key],
        "words": list(range(len(words))) * len(hashes),
        "asked": len(words),
    }
