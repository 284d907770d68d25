"""Who works on which batch, and who had which approved."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter

from orchestration.models import ApprovalOutcome, BatchApproval, BatchLease
from orchestration.services.batch_leases import batch_lease_free
from taskmapr.foundation.admin import ReadOnlyAdmin, confirmed_action
from taskmapr.foundation.badges import id_link, status_badge, two_lines, when
from taskmapr.foundation.csv_cells import csv_cell
from taskmapr.foundation.figures import NONE

_COLOURS: Final = {
    ApprovalOutcome.BEGUN: "waiting",
    ApprovalOutcome.APPROVED: "approved",
    ApprovalOutcome.UNKNOWN: "failed",
}
_COLUMNS: Final = (
    "at",
    "site",
    "batch_id",
    "outcome",
    "principal",
    "run_id",
    "screenshot",
    "confirmed_by",
)


@confirmed_action(
    verb="Release",
    done="released",
    consequence="Another task may work on these batches, even if one still does.",
    permission="orchestration.delete_batchlease",
    tells_actor=True,
)
def release_leases(lease: BatchLease, by: str) -> None:
    batch_lease_free(lease, by)


def _run_link(run_id: UUID) -> SafeString:
    return id_link(reverse("admin:orchestration_run_change", args=[run_id]), run_id)


@admin.register(BatchLease)
class BatchLeaseAdmin(ReadOnlyAdmin):
    list_display = ("what", "run_shown", "taken", "ends")
    list_display_links = None
    list_filter = ("site",)
    search_fields = ("batch_id", "site")
    actions = (release_leases,)
    empty_title = "No batch is being worked on"
    empty_text = "While a task approves a batch, no other task may."

    @admin.display(description="Batch", ordering="batch_id")
    def what(self, lease: BatchLease) -> SafeString:
        return two_lines(lease.batch_id, lease.site)

    @admin.display(description="Run")
    def run_shown(self, lease: BatchLease) -> SafeString:
        return _run_link(lease.run_id)

    @admin.display(description="Since", ordering="taken_at")
    def taken(self, lease: BatchLease) -> SafeString | str:
        return when(lease.taken_at)

    @admin.display(description="Ends by itself", ordering="expires_at")
    def ends(self, lease: BatchLease) -> SafeString | str:
        return when(lease.expires_at)


@admin.register(BatchApproval)
class BatchApprovalAdmin(ReadOnlyAdmin):
    list_display = (
        "what",
        "outcome_shown",
        "who",
        "confirmed",
        "run_shown",
        "when_shown",
    )
    list_display_links = None
    list_select_related = ("user",)
    list_filter = ("site", "outcome", ("at", RangeDateTimeFilter))
    search_fields = ("batch_id", "site", "principal", "user__email", "run_id")
    search_help_text = "A batch, a site, who asked, or the id of a run"
    date_hierarchy = "at"
    actions = ("to_csv",)
    empty_title = "Nothing was approved"
    empty_text = "Every approval in a browser leaves a row before it is made."

    @admin.display(description="Batch", ordering="batch_id")
    def what(self, row: BatchApproval) -> SafeString:
        return two_lines(row.batch_id, row.site)

    @admin.display(description="Outcome", ordering="outcome")
    def outcome_shown(self, row: BatchApproval) -> SafeString:
        outcome = ApprovalOutcome(row.outcome)
        return status_badge(_COLOURS[outcome], str(outcome.label))

    @admin.display(description="In the name of", ordering="principal")
    def who(self, row: BatchApproval) -> SafeString:
        return two_lines(row.user.email if row.user else NONE, row.principal)

    @admin.display(description="Confirmed by", ordering="confirmed_by")
    def confirmed(self, row: BatchApproval) -> str:
        return row.confirmed_by or NONE

    @admin.display(description="Run and its screenshot")
    def run_shown(self, row: BatchApproval) -> SafeString:
        return two_lines(_run_link(row.run_id), row.screenshot or NONE)

    @admin.display(description="When", ordering="at")
    def when_shown(self, row: BatchApproval) -> SafeString | str:
        return when(row.at)

    @admin.action(description="Download as CSV", permissions=["view"])
    def to_csv(self, request: HttpRequest, queryset: QuerySet[BatchApproval]) -> HttpResponse:
        answer = StreamingHttpResponse(_lines(queryset), content_type="text/csv; charset=utf-8")
        answer.headers["Content-Disposition"] = 'attachment; filename="batch-approvals.csv"'
        return answer  # type: ignore[return-value]


class _Line:
    """What csv.writer writes to: each row comes back as text."""

    def write(self, text: str) -> str:
        return text


def _lines(rows: QuerySet[BatchApproval]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(_COLUMNS)
    for row in rows.iterator(chunk_size=500):
        yield writer.writerow([csv_cell(getattr(row, name)) for name in _COLUMNS])
