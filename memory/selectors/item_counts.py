"""How much is remembered of whom, and how far it can be found by meaning."""

from __future__ import annotations

from django.db.models import Count, Max, Q, QuerySet, Sum
from django.db.models.functions import Now

from memory.models import MemoryOwner


def owners_counted(owners: QuerySet[MemoryOwner], *, model: str) -> QuerySet[MemoryOwner]:
    """Users of whom anything is remembered, with `item_count`, `vector_count`, `refused_count`
    (passed by for good), `expiring_count` (with a time to live), `expired_count` (past it),
    `total_bytes` of text and `last_written_at`.

    model: whose vectors and refusals count.
    """
    asked = Q(memory_items__embedding_model=model, memory_items__embedding_model__gt="")
    return owners.filter(memory_items__isnull=False).annotate(
        item_count=Count("memory_items"),
        vector_count=Count("memory_items", filter=asked & Q(memory_items__embedding_refusal="")),
        refused_count=Count("memory_items", filter=asked & ~Q(memory_items__embedding_refusal="")),
        expiring_count=Count("memory_items__expires_at"),
        expired_count=Count("memory_items", filter=Q(memory_items__expires_at__lte=Now())),
        total_bytes=Sum("memory_items__size_bytes"),
        last_written_at=Max("memory_items__created_at"),
    )
