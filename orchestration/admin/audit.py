"""The audit log: every change that somebody made in the admin."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter
from unfold.paginator import InfinitePaginator

from taskmapr.foundation.admin import ReadOnlyAdmin
from taskmapr.foundation.badges import link, status_badge, two_lines, when

_DEEDS: Final = {
    ADDITION: ("succeeded", "added"),
    CHANGE: ("running", "changed"),
    DELETION: ("failed", "deleted"),
}


class DeedFilter(DropdownFilter):  # type: ignore[misc]
    title = "what was done"
    parameter_name = "deed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(flag), words) for flag, (_, words) in _DEEDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
        wanted = self.value()
        known = wanted and wanted.isdecimal() and int(wanted) in _DEEDS
        return queryset.filter(action_flag=int(wanted)) if known and wanted else queryset


class KindOfThingFilter(DropdownFilter):  # type: ignore[misc]
    title = "kind of thing"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        kinds = ContentType.objects.filter(pk__in=LogEntry.objects.values("content_type"))
        return sorted(((str(kind.pk), kind.name) for kind in kinds), key=lambda pair: pair[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
        wanted = self.value()
        return queryset.filter(content_type=wanted) if wanted and wanted.isdecimal() else queryset


@admin.register(LogEntry)
class AuditAdmin(ReadOnlyAdmin):
    list_display = ("thing", "deed", "user", "told", "at")
    list_display_links = None
    list_select_related = ("user", "content_type")
    list_filter = (DeedFilter, KindOfThingFilter, ("user", AutocompleteSelectFilter))
    search_fields = ("object_id", "object_repr", "change_message", "user__email")
    search_help_text = "A name or id of what was changed, words of the change, or an address"
    date_hierarchy = "action_time"
    ordering = ("-action_time", "-id")
    # Counting per filter would read the whole table once for each.
    show_facets = admin.ShowFacets.NEVER
    paginator = InfinitePaginator
    empty_title = "Nothing was changed"
    empty_text = "Every change that staff make here leaves an entry."
    fields = ("action_time", "user", "content_type", "object_id", "object_repr", "told")

    @admin.display(description="What", ordering="object_repr")
    def thing(self, entry: LogEntry) -> SafeString:
        kind = entry.content_type.name if entry.content_type else "gone"
        is_there = entry.action_flag != DELETION
        url = entry.get_admin_url() if is_there else None
        name = link(url, entry.object_repr) if url else entry.object_repr
        return two_lines(name, kind, is_wide=True)

    @admin.display(description="Deed")
    def deed(self, entry: LogEntry) -> SafeString:
        return status_badge(*_DEEDS.get(entry.action_flag, ("waiting", "other")))

    @admin.display(description="In words")
    def told(self, entry: LogEntry) -> str:
        return entry.get_change_message()

    @admin.display(description="When", ordering="action_time")
    def at(self, entry: LogEntry) -> SafeString | str:
        return when(entry.action_time)
