"""Runs in the admin: the list, and the way to a run's page. Nothing here changes a run's row."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.paginator import InfinitePaginator

from orchestration.admin.access import may_read_words
from orchestration.admin.comparing import run_compare
from orchestration.admin.keeping import keeping_page
from orchestration.admin.replay import run_replay
from orchestration.admin.run_filters import (
    ErrorFilter,
    KindFilter,
    LookFilter,
    ModeFilter,
    ModelFilter,
    SinceFilter,
    StatusFilter,
    SubjectFilter,
)
from orchestration.admin.run_lists import runs_found, runs_listed
from orchestration.admin.run_outcome import run_file
from orchestration.admin.run_page import (
    approval_answer,
    run_cancel_asked,
    run_page,
    run_retry_asked,
)
from orchestration.admin.run_tail import run_tail
from orchestration.admin.tasks import export_tasks, retry_tasks
from orchestration.admin.work_page import work_page
from orchestration.models import Run
from orchestration.services.run_end import run_cancel
from taskmapr.core.run_kinds import INTENT, TASK
from taskmapr.foundation.admin import ReadOnlyAdmin, confirmed_action
from taskmapr.foundation.badges import link, status_badge, two_lines, when
from taskmapr.foundation.figures import NONE, count_text, duration_text, money_text, short_id

#: The list of one kind → what it is called.
_TITLES: Final = {TASK.name: "Tasks", INTENT.name: "Jobs"}


@confirmed_action(
    verb="Cancel run",
    done="cancelled, or about to be by its worker",
    consequence="Each answer stops where it is. What was said so far is kept.",
    permission="orchestration.change_run",
    tells_actor=True,
)
def cancel_runs(run: Run, by: str) -> None:
    run_cancel(run_id=run.pk, by=by, reason="cancelled_by_operator")


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    # Six columns of two lines fit beside the sidebar on a small laptop.
    list_display = ("what", "state", "whose", "took", "spent", "asked")
    list_display_links = ("what",)
    list_filter = (
        StatusFilter,
        SinceFilter,
        KindFilter,
        SubjectFilter,
        ModeFilter,
        LookFilter,
        ErrorFilter,
        ModelFilter,
        ("profile", AutocompleteSelectFilter),
        ("owner", AutocompleteSelectFilter),
    )
    search_fields = ("id",)
    search_help_text = "The id of a run, the beginning of a session's id, or an owner's address"
    date_hierarchy = "created_at"
    # Counting per filter would read the whole table once for each.
    show_facets = admin.ShowFacets.NEVER
    ordering = ("-id",)
    # Counting a table of this size would cost more than the list itself.
    paginator = InfinitePaginator
    actions = (cancel_runs, retry_tasks, export_tasks)
    empty_title = "No runs here"
    empty_text = "Ask something in the console, or loosen the filters: runs appear at once."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        return runs_listed(super().get_queryset(request), with_words=may_read_words(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Run], search_term: str
    ) -> tuple[QuerySet[Run], bool]:
        return (runs_found(queryset, search_term) if search_term.strip() else queryset), False

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("<uuid:run_id>/cancel/", self._guarded(run_cancel_asked), name="run_cancel"),
            path(
                "<uuid:run_id>/approvals/<uuid:approval_id>/",
                self._guarded(approval_answer),
                name="run_approval",
            ),
            path("<uuid:run_id>/again/", self._guarded(run_retry_asked), name="run_again"),
            path("<uuid:run_id>/files/<uuid:file_id>/", self._guarded(run_file), name="run_file"),
            path("<uuid:run_id>/replay/", self._guarded(run_replay), name="run_replay"),
            path("figures/", self._guarded(work_page), name="work_figures"),
            path("retention/", self.admin_site.admin_view(keeping_page), name="retention"),
            path("<uuid:run_id>/compare/", self._guarded(run_compare), name="run_compare"),
            # Async, so admin_view cannot wrap it: it looks at the visitor itself.
            path("<uuid:run_id>/events/stream", run_tail, name="run_tail"),
        ]
        return [*own, *super().get_urls()]

    def _guarded(self, view: Callable[..., HttpResponseBase]) -> Callable[..., Any]:
        guarded: Callable[..., Any] = self.admin_site.admin_view(partial(view, model_admin=self))
        return guarded

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        title = _TITLES.get(request.GET.get("kind", ""), "Runs")
        answer: HttpResponse = super().changelist_view(
            request, {"title": title, **(extra_context or {})}
        )
        return answer

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return run_page(request, model_admin=self, object_id=object_id)

    @admin.display(description="Run")
    def what(self, run: Any) -> SafeString:
        words = run.subject or ("sealed" if run.is_sealed else run.excerpt)
        how = ", ".join(word for word in (run.kind, run.mode, run.model) if word)
        return two_lines(words or run.kind, how, is_wide=True)

    @admin.display(description="Status", ordering="status")
    def state(self, run: Run) -> SafeString:
        return two_lines(status_badge(run.status), _why(run))

    @admin.display(description="Owner")
    def whose(self, run: Run) -> SafeString:
        owner = link(reverse("admin:users_user_change", args=[run.owner_id]), run.owner.email)
        return two_lines(owner, self._session(run))

    def _session(self, run: Run) -> SafeString | str:
        if run.session_id is None:
            return _by(run.credential)
        # Programs choose these names, and the admin reads an underscore as the beginning of a code.
        url = reverse("admin:orchestration_session_change", args=[quote(run.session_id)])
        return link(url, short_id(run.session_id))

    @admin.display(description="Took", ordering="duration_ms")
    def took(self, run: Run) -> SafeString:
        return two_lines(duration_text(run.duration_ms), _how_it_went(run))

    @admin.display(description="Spent", ordering="cost_usd_micros")
    def spent(self, run: Run) -> SafeString | str:
        tokens = run.input_tokens + run.output_tokens
        if not tokens and not run.cost_usd_micros:
            return NONE
        cost = money_text(run.cost_usd_micros, tokens=tokens)
        return two_lines(cost, f"{count_text(tokens)} tokens")

    @admin.display(description="Asked", ordering="id")
    def asked(self, run: Run) -> SafeString | str:
        if run.due_at is None:
            return when(run.created_at)
        return two_lines(when(run.created_at), format_html("due {}", when(run.due_at)))


def _why(run: Run) -> str:
    """What stands below the status: why the run ended so, or what it waits for."""
    why = run.error_code or run.reason
    if not why and run.due_at is not None and run.enqueued_at is None and not run.is_final:
        return "waits for its time"
    return "" if why == run.status else why


def _by(credential: str) -> str:
    """Jobs and tasks have no session; whoever asked used a key, or signed in."""
    return f"by key {short_id(credential[4:])}" if credential.startswith("key:") else ""


def _how_it_went(run: Run) -> str:
    if run.attempt > 1:
        most = f" of {run.max_attempts}" if run.max_attempts else ""
        return f"attempt {run.attempt}{most}"
    if run.first_output_ms is not None:
        return f"first word {duration_text(run.first_output_ms)}"
    return ""
