"""Searching knowledge: by words, by meaning, and by both together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from django.db import connection, transaction

from memory.knowledge.meaning import Meaning
from memory.knowledge.statements import (
    BOTH_FEW,
    FAR_ENOUGH,
    MOST_LOOKED_THROUGH,
    SHARE,
    WORDS,
    both_statement,
    looked_through_for,
)
from memory.knowledge.wording import MAX_QUERY, all_of, any_of, snippet_of, words_of
from memory.models import KnowledgeChunk
from memory.selectors.knowledge import ALL, collection_named, collections_visible
from taskmapr.core.errors import InvalidInput

TOP_K: Final = 5
MAX_TOP_K: Final = 20
#: Pieces whose distances are all measured; among more, the index of meanings is asked.
FEW: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A document that was found, best piece first. score: 1 = first in every list, above 0."""

    collection: str
    document: str
    title: str
    score: float
    snippet: str


def knowledge_search(
    *,
    query: str,
    collection: str | None,
    top_k: int,
    names: Collection[str],
    meaning: Meaning | None,
) -> list[Hit]:
    """The `top_k` (1 to 20, others are taken for the nearest) documents that fit best.

    names: collections that may be searched, `*` for all. meaning: of the query; None: words alone.
    Raises InvalidInput for an empty query, NotFound for an unknown collection.
    """
    words = words_of(query)
    if not words:
        raise InvalidInput("The query is empty.")
    values: dict[str, Any] = {
        "ids": _ids(collection, names),
        # PostgreSQL takes no NUL.
        "exact": query[:MAX_QUERY].replace("\0", " "),
        "all": all_of(words),
        "any": any_of(words),
        "count": min(max(top_k, 1), MAX_TOP_K),
        **(_meant(meaning) if meaning is not None else {}),
    }
    return [
        Hit(
            collection=where,
            document=path,
            title=title,
            score=round(score, 4),
            snippet=snippet_of(text, words),
        )
        for where, path, title, text, score in _rows(values, is_meant=meaning is not None)
    ]


def hits_as_json(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    return [asdict(hit) for hit in hits]


def _ids(collection: str | None, names: Collection[str]) -> list[int] | None:
    """None: every piece may be looked at."""
    if collection is not None:
        return [collection_named(collection, names).pk]
    if ALL in names:
        return None
    return list(collections_visible(names).values_list("pk", flat=True))


def _meant(meaning: Meaning) -> dict[str, Any]:
    # More digits than vectors in half precision keep; all of them would be three times the text.
    return {
        "vector": "[" + ",".join([f"{x:.5g}" for x in meaning.vector]) + "]",
        "model": meaning.model,
    }


def _rows(values: dict[str, Any], *, is_meant: bool) -> list[tuple[Any, ...]]:
    if not is_meant:
        return _asked(WORDS, values)
    if _are_few(values["ids"]):
        return _asked_near(BOTH_FEW, MOST_LOOKED_THROUGH, values)
    enough = looked_through_for(count=values["count"], share=_share(values["ids"]))
    rows = _asked_near(both_statement(enough), enough, values)
    if len(rows) < values["count"] and enough < MOST_LOOKED_THROUGH:
        # Many of the nearest were of the same documents, or of what may not be seen.
        most = MOST_LOOKED_THROUGH
        return _asked_near(both_statement(most), most, values)
    return rows


def _asked_near(
    statement: str, looked_through: int, values: dict[str, Any]
) -> list[tuple[Any, ...]]:
    with transaction.atomic():
        _asked(FAR_ENOUGH, {"looked_through": looked_through})
        return _asked(statement, values)


def _share(ids: list[int] | None) -> float:
    if ids is None:
        return 1.0
    ((share,),) = _asked(SHARE, {"ids": ids})
    return float(share)


def _are_few(ids: list[int] | None) -> bool:
    pieces = KnowledgeChunk.objects.order_by()
    if ids is not None:
        pieces = pieces.filter(collection_id__in=ids)
    return pieces[: FEW + 1].count() <= FEW


def _asked(statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
