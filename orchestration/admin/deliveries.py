"""Callbacks in the admin: where each stands, what its attempts came to, and sending it again."""

from __future__ import annotations

from typing import Any, Final, cast
from urllib.parse import urlsplit
from uuid import UUID

import orjson
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.paginator import InfinitePaginator

from orchestration.admin.access import HIDDEN, may_read_words
from orchestration.admin.run_lists import owner_ids
from orchestration.admin.timeline import SEALED
from orchestration.delivering import body_make
from orchestration.models import Delivery, DeliveryAttempt
from orchestration.models.delivery import DeliveryStatus
from orchestration.services.deliveries import delivery_send_again
from taskmapr.core.errors import TaskMaprError
from taskmapr.foundation.admin import ReadOnlyAdmin, confirmed_action
from taskmapr.foundation.badges import link, status_badge, two_lines, when
from taskmapr.foundation.figures import short_id

#: Status → the status of a run that has the same colour.
COLOURS: Final = {
    DeliveryStatus.WAITING: "queued",
    DeliveryStatus.PENDING: "running",
    DeliveryStatus.DELIVERED: "succeeded",
    DeliveryStatus.FAILED: "failed",
    DeliveryStatus.DISABLED: "cancelled",
}
#: Characters of a body that are shown.
BODY_LENGTH: Final = 16_000
_AGAIN: Final = "orchestration.change_run"


@confirmed_action(
    verb="Send again",
    done="sent again",
    consequence="Each goes out at once, with a fresh series of attempts, under its old message id.",
    permission=_AGAIN,
)
def send_again(delivery: Delivery) -> None:
    delivery_send_again(delivery_id=delivery.pk)


class StatusFilter(DropdownFilter):  # type: ignore[misc]
    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        own = [(value, str(label)) for value, label in DeliveryStatus.choices]
        return [("troubled", "Failed, or tried again"), *own]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        wanted = self.value()
        if wanted == "troubled":
            again = Q(status=DeliveryStatus.PENDING, attempts__gt=0)
            return queryset.filter(again | Q(status=DeliveryStatus.FAILED))
        return queryset.filter(status=wanted) if wanted else queryset


class AnswerFilter(DropdownFilter):  # type: ignore[misc]
    title = "last answer"
    parameter_name = "answer"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("none", "None"), *((str(n), f"{n}xx") for n in (2, 3, 4, 5))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        wanted = self.value() or ""
        if wanted == "none":
            return queryset.filter(last_status_code=None, attempts__gt=0)
        if wanted not in {"2", "3", "4", "5"}:
            return queryset
        first = int(wanted) * 100
        return queryset.filter(last_status_code__gte=first, last_status_code__lt=first + 100)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("what", "of_run", "state", "tries", "last_status_code", "following", "made_at")
    list_display_links = ("what",)
    list_filter = (StatusFilter, AnswerFilter, "created_at")
    list_select_related = ("run", "run__owner")
    search_fields = ("id",)
    search_help_text = "A message id, a run, a host, or an owner's address"
    show_facets = admin.ShowFacets.NEVER
    paginator = InfinitePaginator
    actions = (send_again,)
    empty_title = "No callbacks yet"
    empty_text = "A request with a callback_url makes one."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        rows: QuerySet[Delivery] = super().get_queryset(request)
        return rows.defer("run__input", "run__instructions", "run__owner__password")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        words = search_term.strip()
        if not words:
            return queryset, False
        found = Q(url__icontains=f"://{words}") | Q(run__owner__in=owner_ids(words))
        if (wanted := _uuid(words.removeprefix("msg_").removeprefix("job_"))) is not None:
            found |= Q(pk=wanted) | Q(run_id=wanted)
        return queryset.filter(found), False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.again_view)
        return [path("<uuid:delivery_id>/again/", view, name="delivery_again"), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        delivery = self._found(request, unquote(object_id))
        may_read = may_read_words(request)
        veil = "" if may_read else HIDDEN
        context = {
            **self.admin_site.each_context(request),
            "title": "Callback",
            "opts": self.opts,
            "delivery": delivery,
            "address": shown_address(delivery.url),
            "colour": COLOURS[DeliveryStatus(delivery.status)],
            "attempts": [_shown(attempt, veil) for attempt in delivery.made.all()],
            "body": _body(delivery, may_read=may_read),
            "may_send": request.user.has_perm(_AGAIN) and delivery.status != DeliveryStatus.WAITING,
        }
        return TemplateResponse(request, "orchestration/delivery_page.html", context)

    def again_view(self, request: HttpRequest, delivery_id: UUID) -> HttpResponse:
        if request.method != "POST" or not request.user.has_perm(_AGAIN):
            raise PermissionDenied
        delivery = self._found(request, str(delivery_id))
        try:
            delivery_send_again(delivery_id=delivery.pk)
        except TaskMaprError as error:
            messages.error(request, error.detail)
        else:
            LogEntry.objects.log_actions(
                cast(UUID, request.user.pk), [delivery], CHANGE, change_message="sent again"
            )
            messages.success(request, "It is being sent again.")
        return redirect("admin:orchestration_delivery_change", delivery.pk)

    def _found(self, request: HttpRequest, object_id: str) -> Delivery:
        if not self.has_view_permission(request):
            raise PermissionDenied
        wanted = _uuid(object_id)
        found = self.get_queryset(request).select_related("run", "run__owner")
        delivery = found.filter(pk=wanted).first() if wanted else None
        if delivery is None:
            raise Http404
        return delivery

    @admin.display(description="Callback", ordering="url")
    def what(self, delivery: Delivery) -> SafeString:
        return two_lines(shown_address(delivery.url), short_id(delivery.pk), is_wide=True)

    @admin.display(description="Run")
    def of_run(self, delivery: Delivery) -> SafeString:
        run = delivery.run
        text = run.subject or run.kind
        page = link(reverse("admin:orchestration_run_change", args=[run.pk]), text)
        return two_lines(page, run.owner.email)

    @admin.display(description="Status", ordering="status")
    def state(self, delivery: Delivery) -> SafeString:
        status = DeliveryStatus(delivery.status)
        return status_badge(COLOURS[status], str(status.label).lower())

    @admin.display(description="Attempts", ordering="attempts")
    def tries(self, delivery: Delivery) -> str:
        return f"{delivery.attempts} of {delivery.gives_up_after}"

    @admin.display(description="Next attempt", ordering="next_attempt_at")
    def following(self, delivery: Delivery) -> SafeString | str:
        return when(delivery.next_attempt_at)

    @admin.display(description="Asked for", ordering="created_at")
    def made_at(self, delivery: Delivery) -> SafeString | str:
        return when(delivery.created_at)


def _shown(attempt: DeliveryAttempt, veil: str) -> dict[str, Any]:
    excerpt = SEALED if attempt.is_sealed else attempt.excerpt
    return {"row": attempt, "excerpt": veil if excerpt and veil else excerpt}


def shown_address(url: str) -> str:
    """Without the query, which often holds a token."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}" + ("?…" if parts.query else "")


def _body(delivery: Delivery, *, may_read: bool) -> str:
    """What would be sent now, indented. Nothing of it is stored."""
    if delivery.status == DeliveryStatus.WAITING:
        return ""
    if delivery.run.is_sealed:
        return SEALED
    if not may_read:
        return HIDDEN
    try:
        told = orjson.loads(body_make(delivery.run))
    except (LookupError, TaskMaprError):
        return "It cannot be made any more: what is to be told is gone."
    text = orjson.dumps(told, option=orjson.OPT_INDENT_2).decode()
    return text if len(text) <= BODY_LENGTH else f"{text[:BODY_LENGTH]}…"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
