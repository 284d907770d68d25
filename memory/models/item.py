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
#: Items with this tag are told to the model when their owner begins a new conversation.
PREFERENCE: Final = "preference"


class MemoryItem(models.Model):
    """Something that is remembered about one user, sealed with that user's data key.

    Written through `memory.services.items`. Tags, namespace, size and times stay readable: they
    are what lists and limits work with.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        "users.User", on_delete=models.CASCADE, related_name="memory_items", db_index=False
    )
    namespace = models.CharField(max_length=MAX_NAMESPACE, default="default", db_default="default")
    #: {"text": str, "metadata": object}, sealed.
    sealed = models.TextField()
    #: Of the text in UTF-8, before it was sealed.
    size_bytes = models.PositiveIntegerField()
    tags = ArrayField(models.CharField(max_length=MAX_TAG), default=list, db_default=[], blank=True)
    #: Null until a model has embedded the text.
    embedding = VectorField(dimensions=EMBEDDING_DIMENSIONS, null=True)
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
                fields=["user", "-id"],
                condition=models.Q(tags__contains=[PREFERENCE]),
                name="memory_items_preferences",
            ),
            GinIndex(fields=["tags"], name="memory_items_tags"),
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
