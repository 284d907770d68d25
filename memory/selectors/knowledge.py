"""Collections and documents, as far as somebody may see them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from django.db.models import Count, Q, QuerySet

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
    """Pieces that this embedding model has not turned into vectors."""
    return KnowledgeChunk.objects.exclude(embedding_model=model)
