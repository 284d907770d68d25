"""What is remembered, for operators: whose, how much, since when and how found, never what."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from memory.models import MemoryItem
from memory.services.items import memory_items_delete
from taskmapr.core import wired
from taskmapr.foundation.admin import ReadOnlyAdmin, confirmed_action
from taskmapr.foundation.badges import status_badge, two_lines, when
from taskmapr.foundation.figures import NONE, bytes_text


@confirmed_action(
    verb="Delete the owner's memory",
    done="all memory of its owner deleted",
    consequence="Everything that is remembered about the owners of these items is gone for good.",
    permission="memory.delete_memoryitem",
)
def delete_owners_memory(item: MemoryItem) -> None:
    memory_items_delete(user_id=item.user_id)


@admin.register(MemoryItem)
class MemoryItemAdmin(ReadOnlyAdmin):
    list_display = ("user", "namespace", "kind", "meaning", "size", "written", "expires")
    list_display_links = None
    list_select_related = ("user",)
    list_filter = ("namespace", "is_preference", "created_at")
    search_fields = ("user__email",)
    search_help_text = "A part of an owner's address"
    date_hierarchy = "created_at"
    ordering = ("-id",)
    actions = (delete_owners_memory,)
    empty_title = "Nothing is remembered"
    empty_text = "Assistants and programs write here what people want them to keep in mind."
    fields = (
        "id",
        "user",
        "namespace",
        "is_preference",
        "size_bytes",
        "embedding_model",
        "embedding_refusal",
        "source_run_id",
        "created_at",
        "expires_at",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("sealed", "keywords", "embedding")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """The list of owners leads to one owner's items."""
        return lookup == "user__id__exact" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="Kind", ordering="is_preference")
    def kind(self, item: MemoryItem) -> str:
        return "preference" if item.is_preference else NONE

    @admin.display(description="Found by meaning", ordering="embedding_model")
    def meaning(self, item: MemoryItem) -> SafeString:
        embedder = wired.ports().embedder
        if embedder is None:
            return status_badge("cancelled", "by words alone")
        if item.embedding_model != embedder.model:
            return status_badge("waiting", "waiting")
        if item.embedding_refusal:
            refused = status_badge("degraded", "by words alone")
            return two_lines(refused, item.embedding_refusal, is_wide=True)
        return status_badge("ok", "embedded")

    @admin.display(description="Size", ordering="size_bytes")
    def size(self, item: MemoryItem) -> str:
        return bytes_text(item.size_bytes)

    @admin.display(description="Written", ordering="created_at")
    def written(self, item: MemoryItem) -> SafeString | str:
        return when(item.created_at)

    @admin.display(description="Expires", ordering="expires_at")
    def expires(self, item: MemoryItem) -> SafeString | str:
        return when(item.expires_at)
