"""What operators do with tasks among the runs: assign again, take away as a table."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from orchestration.admin.run_again import run_again
from orchestration.models import Run
from orchestration.selectors.tasks import tasks_told
from taskmapr.core.run_kinds import TASK
from taskmapr.foundation.admin import confirmed_action
from taskmapr.foundation.csv_cells import csv_cell

#: Tasks in one table.
EXPORT_MAX: Final = 5_000
_CHUNK: Final = 200
COLUMNS: Final = (
    "task_id",
    "task_type",
    "status",
    "attempts",
    "max_retries",
    "created_at",
    "started_at",
    "completed_at",
    "duration_ms",
    "message",
)


@confirmed_action(
    verb="Assign again",
    done="assigned again",
    consequence="Tasks that ended without success are done anew, with what was asked for.",
    permission="orchestration.change_run",
)
def retry_tasks(run: Run) -> None:
    run_again(run)


@admin.action(description="Export tasks as CSV")
def export_tasks(model_admin: Any, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse:
    """Of the chosen runs, those that are tasks, as their owners are told of them."""
    if not request.user.has_perm("orchestration.read_content"):
        raise PermissionDenied
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="tasks.csv"'
    table = csv.writer(response)
    table.writerow([*COLUMNS, "error", "owner"])
    tasks = list(queryset.filter(kind=TASK.name).select_related("owner")[:EXPORT_MAX])
    now = datetime.now(UTC)
    for at in range(0, len(tasks), _CHUNK):
        page = tasks[at : at + _CHUNK]
        for task, result in zip(page, tasks_told(page), strict=True):
            body = result.body(now=now, with_logs=False)
            error = (body["error"] or {}).get("code", "")
            row = [*(body[name] for name in COLUMNS), error, task.owner.email]
            table.writerow([csv_cell(cell) for cell in row])
    return response
