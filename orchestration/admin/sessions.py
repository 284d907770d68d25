"""Conversations in the admin: who, how much, what was said; export and deletion."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.paginator import InfinitePaginator

from orchestration.admin.access import HIDDEN, may_read_words
from orchestration.admin.run_lists import owner_ids
from orchestration.admin.timeline import SEALED
from orchestration.models import Message, Run, Session
from orchestration.selectors.analytics import WINDOWS
from orchestration.selectors.sessions import session_export
from orchestration.services.retention import session_erase
from taskmapr.foundation.admin import ReadOnlyAdmin, confirmed_action
from taskmapr.foundation.badges import link, two_lines, when
from taskmapr.foundation.figures import short_id
from taskmapr.users.models import User

#: Messages and runs on a session's page; the newest.
MESSAGES: Final = 200
RUNS: Final = 50
#: The filter for sessions that nobody uses any more.
IDLE: Final = "idle"
IDLE_DAYS: Final = 30


@confirmed_action(
    verb="Delete session",
    done="deleted",
    consequence="Its messages, runs, events and files are gone for good; open runs go with it.",
    permission="orchestration.delete_session",
)
def delete_sessions(session: Session) -> None:
    session_erase(session_id=session.pk)


class SessionList(ChangeList):
    """A page of sessions; owners and counts are read for its rows alone, in one query each.

    Owners are ids as text, for rows may come from other programs: a join is not possible. Counting
    inside the list's own query would count the whole table first.
    """

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        self.result_list = rows
        owners = _emails(session.user_id for session in rows)
        said, asked = (_counts(model, rows) for model in (Message, Run))
        may_read = may_read_words(request)
        for session in rows:
            session.words = (session.title or "Untitled") if may_read else HIDDEN
            session.owner_email = owners.get(session.user_id, "")
            session.said = said.get(session.pk, 0)
            session.asked = asked.get(session.pk, 0)


def _counts(model: type[Message] | type[Run], sessions: list[Any]) -> dict[str, int]:
    rows = model.objects.filter(session__in=[session.pk for session in sessions])
    return dict(rows.order_by().values_list("session_id").annotate(Count("pk")))


def _emails(user_ids: Any) -> dict[str, str]:
    known = [found for text in set(user_ids) if (found := _uuid(text)) is not None]
    rows = User.objects.filter(pk__in=known).values_list("pk", "email")
    return {str(pk): email for pk, email in rows}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


class UsedFilter(DropdownFilter):  # type: ignore[misc]
    title = "last use"
    parameter_name = "used"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        recent = [(window.name, f"Last {window.title}") for window in WINDOWS.values()]
        return [*recent, (IDLE, f"Not for {IDLE_DAYS} days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        now, wanted = datetime.now(UTC), self.value() or ""
        if wanted == IDLE:
            return queryset.filter(updated_at__lt=now - timedelta(days=IDLE_DAYS))
        window = WINDOWS.get(wanted)
        return queryset.filter(updated_at__gte=window.starts(now)[0]) if window else queryset


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    list_display = ("what", "owner", "message_count", "run_count", "updated", "created")
    list_display_links = ("what",)
    list_filter = (UsedFilter,)
    search_fields = ("session_id",)
    search_help_text = "The beginning of a session's id, or an owner's address"
    ordering = ("-updated_at", "session_id")
    # Counting per filter would read the whole table once for each.
    show_facets = admin.ShowFacets.NEVER
    paginator = InfinitePaginator
    actions = (delete_sessions,)
    empty_title = "No conversations here"
    empty_text = "A session begins with its first question; ask one in the console."

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SessionList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Session], search_term: str
    ) -> tuple[QuerySet[Session], bool]:
        words = search_term.strip()
        if not words:
            return queryset, False
        owners = [str(pk) for pk in owner_ids(words)]
        return queryset.filter(
            Q(session_id__startswith=words) | Q(user_id=words) | Q(user_id__in=owners)
        ), False

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        own = [
            path("<path:object_id>/export/", guard(self.export), name="session_export"),
            path("<path:object_id>/erase/", guard(self.erase), name="session_erase"),
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        session = self._found(request, object_id)
        veil = "" if may_read_words(request) else HIDDEN
        owner_id = _uuid(session.user_id)
        owner = User.objects.filter(pk=owner_id).first() if owner_id else None
        said = list(session.messages.order_by("-run_id", "-position")[: MESSAGES + 1])
        runs = session.runs.defer("input", "instructions").order_by("-id")[:RUNS]
        context = {
            **self.admin_site.each_context(request),
            "title": "Session",
            "opts": self.opts,
            "session": session,
            "owner": owner,
            "words": veil or session.title or "Untitled",
            "is_hidden": bool(veil),
            "said": [_shown(row, veil) for row in reversed(said[:MESSAGES])],
            "is_cut": len(said) > MESSAGES,
            "runs": runs,
            "may_delete": request.user.has_perm("orchestration.delete_session"),
        }
        return TemplateResponse(request, "orchestration/session_page.html", context)

    def export(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The whole conversation as JSON. Sealed messages say so instead of what was said."""
        session = self._found(request, object_id)
        if not may_read_words(request):
            raise PermissionDenied
        name = "".join(c if c.isalnum() or c in "-_." else "_" for c in session.pk)
        return JsonResponse(
            session_export(session),
            json_dumps_params={"indent": 2, "ensure_ascii": False},
            headers={"Content-Disposition": f'attachment; filename="session-{name}.json"'},
        )

    def erase(self, request: HttpRequest, object_id: str) -> HttpResponse:
        allowed = request.user.has_perm("orchestration.delete_session")
        if request.method != "POST" or not allowed:
            raise PermissionDenied
        session = self._found(request, object_id)
        LogEntry.objects.log_actions(
            cast(UUID, request.user.pk), [session], DELETION, change_message="deleted"
        )
        session_erase(session_id=session.pk)
        messages.success(request, f"Session {session.pk} is deleted.")
        return redirect(reverse("admin:orchestration_session_changelist"))

    def _found(self, request: HttpRequest, object_id: str) -> Session:
        if not self.has_view_permission(request):
            raise PermissionDenied
        session = Session.objects.filter(pk=unquote(object_id)).first()
        if session is None:
            raise Http404
        return session

    @admin.display(description="Session")
    def what(self, session: Any) -> SafeString:
        return two_lines(session.words, short_id(session.pk), is_wide=True)

    @admin.display(description="Owner")
    def owner(self, session: Any) -> SafeString | str:
        email: str = session.owner_email
        if not email:
            return str(session.user_id)
        return link(reverse("admin:users_user_change", args=[session.user_id]), email)

    @admin.display(description="Messages")
    def message_count(self, session: Any) -> int:
        return int(session.said)

    @admin.display(description="Runs")
    def run_count(self, session: Any) -> int:
        return int(session.asked)

    @admin.display(description="Last used", ordering="updated_at")
    def updated(self, session: Session) -> SafeString | str:
        return when(session.updated_at)

    @admin.display(description="Begun", ordering="created_at")
    def created(self, session: Session) -> SafeString | str:
        return when(session.created_at)


def _shown(row: Message, veil: str) -> dict[str, Any]:
    hidden = SEALED if row.is_sealed else veil
    actions = [] if hidden else [str(action.get("type", "")) for action in row.actions]
    return {"row": row, "text": hidden or row.content, "actions": actions}
