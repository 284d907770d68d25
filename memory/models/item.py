from __future__ import annotations

from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now
from pgvector.django import VectorField

from taskmapr.core.ids import uuid7
from taskmapr.core.ports import EMBEDDING_DIMENSIONS

MAX_TAG: Final = 64
MAX_NAMESPACE: Final = 64
MAX_REFUSAL: Final = 300
#: Items with this tag are told to the model when their owner begins a new conversation.
PREFERENCE: Final = "preference"


class MemoryItem(models.Model):
    """Something that is remembered about one user, sealed with that user's data key.

    Written through `memory.services.items`. In the clear are: whose it is, its namespace, its size,
    its times, whether it is a preference, and which model embedded it. The vector is derived from
    the text and cannot be sealed, because the database compares it; it tells roughly what a text is
    about to somebody who has the same embedding model. It goes with its row.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        "users.User", on_delete=models.CASCADE, related_name="memory_items", db_index=False
    )
    namespace = models.CharField(max_length=MAX_NAMESPACE, default="default", db_default="default")
    #: {"text": str, "tags": [str], "metadata": object}, sealed.
    sealed = models.TextField()
    #: Of the text in UTF-8, before it was sealed.
    size_bytes = models.PositiveIntegerField()
    #: Keyed hashes of the words of the text and of the tags (`memory.remembering.keys`).
    keywords = ArrayField(models.BigIntegerField(), default=list, db_default=[], blank=True)
    #: Which of the owner's data keys sealed and hashed it; 0: it was never hashed.
    key_mark = models.BigIntegerField(default=0, db_default=0)
    #: Whether PREFERENCE is among its tags: every new conversation asks, and knows no key then.
    is_preference = models.BooleanField(default=False, db_default=False)
    #: Null until a model has embedded the text.
    embedding = VectorField(dimensions=EMBEDDING_DIMENSIONS, null=True)
    #: The model that made the vector, or refused to. Vectors of two models cannot be compared.
    embedding_model = models.CharField(max_length=200, default="", db_default="")
    #: Why there will be no vector from that model; empty when there is one, or may be.
    embedding_refusal = models.CharField(max_length=MAX_REFUSAL, default="", db_default="")
    #: The run that wrote it. No foreign key: runs belong to a storey above, and a run may be
    #: forgotten before what it taught.
    source_run_id = models.UUIDField(null=True)
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["user", "-id"], name="memory_items_user"),
            # Asked whenever a conversation begins; most people's memory holds few of these.
            models.Index(
                fields=["user", "-created_at"],
                condition=models.Q(is_preference=True),
                name="memory_items_preferences",
            ),
            # Without a pending list: what was just written is found as fast as anything.
            GinIndex(fields=["keywords"], name="memory_items_keywords", fastupdate=False),
            # What waits for a vector, of everybody and of one.
            models.Index(fields=["embedding_model", "user"], name="memory_items_embedded"),
            models.Index(
                fields=["source_run_id"],
                condition=models.Q(source_run_id__isnull=False),
                name="memory_items_run",
            ),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(expires_at__isnull=False),
                name="memory_items_expiry",
            ),
        ]

    def __str__(self) -> str:
        return f"memory item {str(self.id)[-12:]}"
