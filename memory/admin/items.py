"""What is remembered, for operators: whose, how much and since when, never what."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from memory.models import MemoryItem
from memory.services.items import memory_items_delete
from taskmapr.foundation.admin import ReadOnlyAdmin, confirmed_action
from taskmapr.foundation.badges import when
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
    list_display = ("user", "tagged", "namespace", "size", "written", "expires")
    list_display_links = None
    list_select_related = ("user",)
    list_filter = ("namespace", "created_at")
    search_fields = ("user__email",)
    search_help_text = "The beginning of an owner's address"
    date_hierarchy = "created_at"
    ordering = ("-id",)
    actions = (delete_owners_memory,)
    empty_title = "Nothing is remembered"
    empty_text = "Assistants write here what people want them to keep in mind."
    fields = ("id", "user", "namespace", "tags", "size_bytes", "source_run_id", "created_at")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("sealed", "embedding")

    @admin.display(description="Tags")
    def tagged(self, item: MemoryItem) -> str:
        return ", ".join(item.tags) or NONE

    @admin.display(description="Size", ordering="size_bytes")
    def size(self, item: MemoryItem) -> str:
        return bytes_text(item.size_bytes)

    @admin.display(description="Written", ordering="created_at")
    def written(self, item: MemoryItem) -> SafeString | str:
        return when(item.created_at)

    @admin.display(description="Expires", ordering="expires_at")
    def expires(self, item: MemoryItem) -> SafeString | str:
        return when(item.expires_at)
