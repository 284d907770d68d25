"""Knowledge in the admin: collections with a trial search, documents with their problems."""

from __future__ import annotations

from typing import Any, Final, cast
from uuid import UUID

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from memory.admin.knowledge_trials import Trial, trial_of
from memory.models import KnowledgeCollection, KnowledgeDocument
from memory.selectors.knowledge import collections_counted, documents_with_refusals
from memory.services.knowledge_index import knowledge_collection_reindex
from taskmapr.core import wired
from taskmapr.core.errors import TaskMaprError
from taskmapr.foundation.admin import ReadOnlyAdmin, confirmed_action
from taskmapr.foundation.badges import link, status_badge, two_lines, when
from taskmapr.foundation.figures import NONE, bytes_text, count_text

#: Documents on a collection's page: those with problems first, then by path.
DOCUMENTS: Final = 100
#: Characters of a document's text on its page.
TEXT: Final = 20_000
_CHANGE: Final = "memory.change_knowledgecollection"
_CONSEQUENCE: Final = (
    "Every file is read again in the background. What is there now is found until then."
)


@confirmed_action(
    verb="Index again",
    done="will be read again within seconds",
    consequence=_CONSEQUENCE,
    permission=_CHANGE,
)
def reindex_collections(collection: KnowledgeCollection) -> None:
    knowledge_collection_reindex(collection=collection)


def state_badge(collection: Any) -> SafeString:
    """How far the collection can be searched, in a word."""
    if collection.problem:
        return status_badge("failed", "not read")
    if collection.refused_count:
        return status_badge("degraded", f"{collection.refused_count} not read")
    if not collection.document_count:
        return status_badge("waiting", "empty")
    return status_badge("ok", "indexed")


@admin.register(KnowledgeCollection)
class KnowledgeCollectionAdmin(ReadOnlyAdmin):
    list_display = ("name", "state", "documents_of", "pieces_of", "vectors_of", "changed")
    search_fields = ("name",)
    actions = (reindex_collections,)
    empty_title = "No collections yet"

    @property
    def empty_text(self) -> str:
        return (
            f"Put a folder of Markdown files into {settings.KNOWLEDGE_ROOT}: it is found within"
            " seconds."
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[KnowledgeCollection]:
        return collections_counted(super().get_queryset(request), model=_embedding_model())

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        own = path("<int:pk>/reindex/", guard(self.reindex), name="knowledge_reindex")
        return [own, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One collection; `?q=` tries a search in it."""
        collection = self._found(request, object_id)
        trial: Trial | None = None
        if (query := request.GET.get("q")) is not None:
            trial = async_to_sync(trial_of)(query, collection.name)
        documents = collection.documents.defer("text").order_by("is_indexed", "path")
        rows = documents_with_refusals(documents, model=_embedding_model())
        context = {
            **self.admin_site.each_context(request),
            "title": collection.name,
            "opts": self.opts,
            "collection": collection,
            "state": state_badge(collection),
            "pieces": count_text(collection.piece_count),
            "vectors": self.vectors_of(collection),
            "documents": rows[:DOCUMENTS],
            "is_cut": collection.document_count + collection.refused_count > DOCUMENTS,
            "trial": trial,
            "may_change": request.user.has_perm(_CHANGE),
            "consequence": _CONSEQUENCE,
        }
        return TemplateResponse(request, "memory/collection_page.html", context)

    def reindex(self, request: HttpRequest, pk: int) -> HttpResponse:
        if request.method != "POST" or not request.user.has_perm(_CHANGE):
            raise PermissionDenied
        collection = self._found(request, str(pk))
        try:
            knowledge_collection_reindex(collection=collection)
        except TaskMaprError as error:
            messages.error(request, error.detail)
        else:
            LogEntry.objects.log_actions(
                cast(UUID, request.user.pk), [collection], CHANGE, change_message="indexed again"
            )
            messages.success(request, f"{collection} will be read again within seconds.")
        return redirect(reverse("admin:memory_knowledgecollection_change", args=[pk]))

    def _found(self, request: HttpRequest, object_id: str) -> Any:
        if not self.has_view_permission(request):
            raise PermissionDenied
        number = object_id if object_id.isdecimal() else "0"
        found = self.get_queryset(request).filter(pk=number).first()
        if found is None:
            raise Http404
        return found

    @admin.display(description="State")
    def state(self, collection: Any) -> SafeString:
        return state_badge(collection)

    @admin.display(description="Documents", ordering="document_count")
    def documents_of(self, collection: Any) -> SafeString:
        url = reverse("admin:memory_knowledgedocument_changelist")
        return link(
            f"{url}?collection__id__exact={collection.pk}", count_text(collection.document_count)
        )

    @admin.display(description="Pieces", ordering="piece_count")
    def pieces_of(self, collection: Any) -> str:
        return count_text(collection.piece_count)

    @admin.display(description="Found by meaning")
    def vectors_of(self, collection: Any) -> SafeString | str:
        if not _embedding_model():
            return "by words alone"
        share = f"{count_text(collection.vector_count)} of {count_text(collection.piece_count)}"
        unwanted = collection.unwanted_count
        refused = f"{count_text(unwanted)} refused by the embedding model" if unwanted else ""
        below = "; ".join(filter(None, (refused, collection.embedding_problem)))
        return two_lines(share, below, is_wide=True) if below else share

    @admin.display(description="Last change", ordering="indexed_at")
    def changed(self, collection: KnowledgeCollection) -> SafeString | str:
        return when(collection.indexed_at)


def _embedding_model() -> str:
    embedder = wired.ports().embedder
    return embedder.model if embedder is not None else ""


@admin.register(KnowledgeDocument)
class KnowledgeDocumentAdmin(ReadOnlyAdmin):
    list_display = ("what", "collection", "state", "size", "changed")
    list_display_links = ("what",)
    list_select_related = ("collection",)
    list_filter = ("is_indexed", "collection")
    search_fields = ("path", "title")
    search_help_text = "A part of a document's path or title"
    ordering = ("collection__name", "path")
    empty_title = "No documents here"
    empty_text = "Markdown files of the knowledge folder appear within seconds."
    fields = ("collection", "path", "title", "state", "size", "changed", "shown_text")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[KnowledgeDocument]:
        rows: QuerySet[KnowledgeDocument] = super().get_queryset(request)
        return documents_with_refusals(rows.defer("text"), model=_embedding_model())

    @admin.display(description="Document", ordering="path")
    def what(self, document: KnowledgeDocument) -> SafeString:
        return two_lines(document.title or NONE, document.path, is_wide=True)

    @admin.display(description="State", ordering="is_indexed")
    def state(self, document: Any) -> SafeString:
        if not document.is_indexed:
            return two_lines(status_badge("failed", "not read"), document.problem, is_wide=True)
        refused = f"Found by words alone in part: {document.refusal}" if document.refusal else ""
        if below := " ".join(filter(None, (document.problem, refused))):
            return two_lines(status_badge("degraded", "indexed"), below, is_wide=True)
        return status_badge("ok", "indexed")

    @admin.display(description="Size", ordering="size_bytes")
    def size(self, document: KnowledgeDocument) -> str:
        return bytes_text(document.size_bytes)

    @admin.display(description="Read", ordering="indexed_at")
    def changed(self, document: KnowledgeDocument) -> SafeString | str:
        return when(document.indexed_at)

    @admin.display(description="Text")
    def shown_text(self, document: KnowledgeDocument) -> str:
        if not document.text:
            return NONE
        shown = {"id": "document-text", "text": document.text[:TEXT]}
        return render_to_string("parts/_code.html", shown)
