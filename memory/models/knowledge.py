"""Folders of Markdown files as the database knows them: collections, documents, pieces."""

from __future__ import annotations

from typing import Final

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models.functions import Cast, Now
from pgvector.django import HalfVectorField, HnswIndex, VectorField

from taskmapr.core.ports import EMBEDDING_DIMENSIONS

MAX_NAME: Final = 120
#: Four bytes a character at most: the index of the constraint holds 2,700.
MAX_PATH: Final = 500
MAX_TITLE: Final = 300
MAX_PROBLEM: Final = 300
#: How words are cut to their stems. Part of the stored columns: another one needs a migration.
TEXT_SEARCH: Final = "english"


class KnowledgeCollection(models.Model):
    """A direct subfolder of the knowledge folder. Written through `knowledge_refresh`."""

    name = models.CharField(max_length=MAX_NAME, unique=True)
    #: Why the folder is not read; empty when it is.
    problem = models.CharField(max_length=MAX_PROBLEM, default="", db_default="")
    #: Why the last attempt to embed pieces of it failed; empty when it did not.
    embedding_problem = models.CharField(max_length=MAX_PROBLEM, default="", db_default="")
    #: When a change in the folder was last taken over.
    indexed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "knowledge_collections"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class KnowledgeDocument(models.Model):
    """A Markdown file of a collection. One that cannot be searched says why."""

    collection = models.ForeignKey(
        KnowledgeCollection, on_delete=models.CASCADE, related_name="documents", db_index=False
    )
    #: Relative to the collection, with slashes.
    path = models.CharField(max_length=MAX_PATH)
    title = models.CharField(max_length=MAX_TITLE, default="")
    sha256 = models.CharField(max_length=64, default="")
    size_bytes = models.BigIntegerField()
    #: As the file system says it; -1 has the file read again.
    mtime_ns = models.BigIntegerField()
    text = models.TextField(default="")
    is_indexed = models.BooleanField(default=False)
    problem = models.CharField(max_length=MAX_PROBLEM, default="", db_default="")
    indexed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "knowledge_documents"
        ordering = ["collection_id", "path"]
        constraints = [
            models.UniqueConstraint(fields=["collection", "path"], name="knowledge_documents_path")
        ]

    def __str__(self) -> str:
        return self.path


class KnowledgeChunk(models.Model):
    """A piece of a document: what is searched, and where a snippet comes from."""

    document = models.ForeignKey(KnowledgeDocument, on_delete=models.CASCADE, related_name="chunks")
    #: The document's, so that a search of one collection needs no join.
    collection = models.ForeignKey(
        KnowledgeCollection, on_delete=models.CASCADE, related_name="chunks"
    )
    position = models.PositiveIntegerField()
    #: The document's title again: its words count for every piece.
    title = models.CharField(max_length=MAX_TITLE)
    #: The headings above and in the piece.
    heading = models.TextField()
    text = models.TextField()
    search = models.GeneratedField(
        expression=SearchVector("title", weight="A", config=TEXT_SEARCH)
        + SearchVector("heading", weight="B", config=TEXT_SEARCH)
        + SearchVector("text", weight="D", config=TEXT_SEARCH),
        output_field=SearchVectorField(),
        db_persist=True,
    )
    embedding = VectorField(dimensions=EMBEDDING_DIMENSIONS, null=True)
    #: The model that made the vector, or refused to. Vectors of two models cannot be compared.
    embedding_model = models.CharField(max_length=200, default="", db_default="")
    #: Why that model will never make one of this text; empty when it did not refuse.
    embedding_refusal = models.CharField(max_length=MAX_PROBLEM, default="", db_default="")

    class Meta:
        db_table = "knowledge_chunks"
        ordering = ["document_id", "position"]
        indexes = [
            # Without a pending list: a search after many changes is as fast as any.
            GinIndex(fields=["search"], name="knowledge_chunks_words", fastupdate=False),
            # In half precision: half the index, and the order of the nearest hardly changes.
            HnswIndex(
                OpClass(
                    Cast("embedding", HalfVectorField(dimensions=EMBEDDING_DIMENSIONS)),
                    name="halfvec_cosine_ops",
                ),
                name="knowledge_chunks_meaning",
            ),
            models.Index(fields=["embedding_model"], name="knowledge_chunks_model"),
        ]

    def __str__(self) -> str:
        return f"{self.heading or self.title} ({self.position})"
