"""Collections and documents, as far as somebody may see them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from memory.models import KnowledgeChunk, KnowledgeCollection, KnowledgeDocument
from taskmapr.core.errors import NotFound

#: In the list of names that somebody may see: all of them.
ALL: Final = "*"
#: Bytes of a document's text in UTF-8 that are given away.
MAX_CONTENT_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSize:
    name: str
    documents: int


def collections_visible(names: Collection[str]) -> QuerySet[KnowledgeCollection]:
    """Readable collections among these names; `*` among them means every one."""
    readable = KnowledgeCollection.objects.filter(problem="")
    return readable if ALL in names else readable.filter(name__in=names)


def collections_listed(names: Collection[str]) -> list[CollectionSize]:
    """The visible collections with the number of documents that can be searched, by name."""
    searchable = Count("documents", filter=Q(documents__is_indexed=True))
    rows = collections_visible(names).annotate(size=searchable).order_by("name")
    return [CollectionSize(name=row.name, documents=row.size) for row in rows]


def collection_named(name: str, names: Collection[str]) -> KnowledgeCollection:
    """Raises NotFound, in the same words whether it is not there or not visible."""
    found = collections_visible(names).filter(name=name).first()
    if found is None:
        raise NotFound(f"Collection '{name}' not found.")
    return found


def document_content(*, collection: str, document: str, names: Collection[str]) -> str:
    """The text of a document, at most MAX_CONTENT_BYTES.

    Documents are found by their stored path alone; no name ever reaches the file system. Raises
    NotFound.
    """
    found = KnowledgeDocument.objects.filter(
        collection=collection_named(collection, names), path=document, is_indexed=True
    ).first()
    if found is None:
        raise NotFound(f"Document '{document}' not found in collection '{collection}'.")
    return found.text.encode()[:MAX_CONTENT_BYTES].decode(errors="ignore")


def chunks_without_meaning(model: str) -> QuerySet[KnowledgeChunk]:
    """Pieces that this embedding model has neither turned into vectors nor refused for good."""
    return KnowledgeChunk.objects.exclude(embedding_model=model)


def collections_counted(
    rows: QuerySet[KnowledgeCollection], *, model: str
) -> QuerySet[KnowledgeCollection]:
    """With `document_count` (searchable), `refused_count`, `piece_count`, `vector_count` and
    `unwanted_count`: pieces that the embedding model refused for good.

    model: whose vectors and refusals count.
    """
    documents = KnowledgeDocument.objects.filter(collection=OuterRef("pk")).order_by()
    pieces = KnowledgeChunk.objects.filter(collection=OuterRef("pk")).order_by()
    asked = pieces.filter(embedding_model=model)
    return rows.annotate(
        document_count=_counted(documents.filter(is_indexed=True), "collection"),
        refused_count=_counted(documents.filter(is_indexed=False), "collection"),
        piece_count=_counted(pieces, "collection"),
        vector_count=_counted(asked.filter(embedding_refusal=""), "collection"),
        unwanted_count=_counted(asked.exclude(embedding_refusal=""), "collection"),
    )


def documents_with_refusals(
    rows: QuerySet[KnowledgeDocument], *, model: str
) -> QuerySet[KnowledgeDocument]:
    """With `refusal`: why this embedding model refused the first such piece of each, else None."""
    pieces = KnowledgeChunk.objects.filter(document=OuterRef("pk"), embedding_model=model)
    refusals = pieces.exclude(embedding_refusal="").order_by("position")
    return rows.annotate(refusal=Subquery(refusals.values("embedding_refusal")[:1]))


def _counted(rows: QuerySet[Any], by: str) -> Coalesce:
    """How many rows; zero is a number too."""
    return Coalesce(Subquery(rows.values(by).annotate(n=Count("pk")).values("n")), 0)
