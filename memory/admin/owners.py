"""Whose memory there is: how many items, how far found by meaning, how much of it expires."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from memory.models import MemoryOwner
from memory.selectors.item_counts import owners_counted
from memory.services.items import memory_items_delete, memory_items_expire
from memory.services.items_embed import memory_items_reembed
from taskmapr.core import wired
from taskmapr.foundation.admin import ReadOnlyAdmin, confirmed_action
from taskmapr.foundation.badges import link, status_badge, two_lines, when
from taskmapr.foundation.figures import NONE, bytes_text, count_text


@confirmed_action(
    verb="Embed again",
    done="will be embedded again within seconds",
    consequence="Every item, refused ones too, is sent to the embedding model once more. Until then"
    " it is found by its words.",
    permission="memory.change_memoryitem",
)
def reembed(owner: MemoryOwner) -> None:
    memory_items_reembed(user_id=owner.pk)


@confirmed_action(
    verb="Remove what has expired",
    done="expired items removed",
    consequence="Items past their time are removed now. They are not found any more anyway, and an"
    " hourly chore removes them too.",
    permission="memory.delete_memoryitem",
)
def prune(owner: MemoryOwner) -> None:
    memory_items_expire(user_id=owner.pk)


@confirmed_action(
    verb="Delete memory",
    done="all memory deleted",
    consequence="Everything that is remembered about these people is gone for good.",
    permission="memory.delete_memoryitem",
)
def delete_memory(owner: MemoryOwner) -> None:
    memory_items_delete(user_id=owner.pk)


@admin.register(MemoryOwner)
class MemoryOwnerAdmin(ReadOnlyAdmin):
    list_display = ("whose", "items", "vectors", "expiring", "size", "written")
    list_display_links = None
    search_fields = ("email",)
    search_help_text = "A part of an owner's address"
    ordering = ("email",)
    actions = (reembed, prune, delete_memory)
    empty_title = "Nothing is remembered"
    empty_text = "Assistants and programs write here what people want them to keep in mind."
    # The account itself has its own pages.
    fields = ("email", "items", "vectors", "expiring", "size", "written")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[MemoryOwner]:
        rows: QuerySet[MemoryOwner] = super().get_queryset(request).only("email")
        return owners_counted(rows, model=_embedding_model())

    @admin.display(description="Whose", ordering="email")
    def whose(self, owner: MemoryOwner) -> SafeString:
        url = reverse("admin:memory_memoryitem_changelist")
        return link(f"{url}?user__id__exact={owner.pk}", owner.email)

    @admin.display(description="Items", ordering="item_count")
    def items(self, owner: Any) -> str:
        return count_text(owner.item_count)

    @admin.display(description="Found by meaning", ordering="vector_count")
    def vectors(self, owner: Any) -> SafeString | str:
        if not _embedding_model():
            return "by words alone"
        waiting = owner.item_count - owner.vector_count - owner.refused_count
        told = (f"{waiting} waiting" * bool(waiting), f"{owner.refused_count} without a vector")
        below = "; ".join(filter(None, told if owner.refused_count else told[:1]))
        share = f"{count_text(owner.vector_count)} of {count_text(owner.item_count)}"
        state = status_badge("waiting" if waiting else "ok", share)
        return two_lines(state, below) if below else state

    @admin.display(description="Expiring", ordering="expiring_count")
    def expiring(self, owner: Any) -> SafeString | str:
        if not owner.expiring_count:
            return NONE
        shown = count_text(owner.expiring_count)
        return two_lines(shown, f"{owner.expired_count} past it") if owner.expired_count else shown

    @admin.display(description="Size", ordering="total_bytes")
    def size(self, owner: Any) -> str:
        return bytes_text(owner.total_bytes)

    @admin.display(description="Last written", ordering="last_written_at")
    def written(self, owner: Any) -> SafeString | str:
        return when(owner.last_written_at)


def _embedding_model() -> str:
    embedder = wired.ports().embedder
    return embedder.model if embedder is not None else ""
