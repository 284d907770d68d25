"""What a run's page tells of tasks and jobs: what was asked, what came of it, whence it came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from unfold.admin import ModelAdmin

from orchestration.admin.access import may_read_words
from orchestration.admin.deliveries import COLOURS, shown_address
from orchestration.admin.json_text import TEXT_LENGTH, json_text
from orchestration.dialects.task_log import LOG_FILE
from orchestration.models import (
    Artifact,
    Delivery,
    Run,
    RunEvent,
    SequenceStep,
    TaskDefinition,
    TaskSchedule,
)
from orchestration.models.artifact import ArtifactRole
from orchestration.models.delivery import DeliveryStatus
from orchestration.models.task_definition import DefinitionKind
from orchestration.page.sensitive import redact_members
from orchestration.selectors.artifacts import ROLES, file_begin, file_opened, file_url
from taskmapr.core.errors import FileNotFound, Unavailable
from taskmapr.core.run_kinds import TASK
from taskmapr.core.run_state import FAILED, FINAL_STATUSES, SUCCEEDED
from taskmapr.foundation.problems import problem_response

#: Rows of files and callbacks that are shown.
ROWS: Final = 100
_FOLDERS: Final = {role: folder for folder, role in ROLES.items()}


def run_outcome(run: Run, veil: str) -> dict[str, Any]:
    """The page's part on work that has a name. Of runs that only talk, files and crashes alone.

    At most nine queries. veil: what stands in the place of words that may not be read.
    """
    files = [_file(row, run, veil) for row in run.artifacts.all()[:ROWS]]
    shown = {
        "screenshots": [f for f in files if f["is_picture"]],
        "files": [f for f in files if not f["is_picture"]],
        "crashes": _crashes(run, veil),
    }
    if not run.subject:
        return shown
    return {
        **shown,
        "is_veiled": bool(veil),
        "log_url": _log_url(run, veil),
        "params_text": veil or json_text(redact_members(_params(run.input)), most=TEXT_LENGTH),
        "result_text": _result(run, veil),
        "callbacks": [_callback(row) for row in run.deliveries.all()[:ROWS]],
        "is_repeatable": is_repeatable(run),
        **_steps(run, veil),
        **_origin(run),
    }


def is_repeatable(run: Run) -> bool:
    return run.kind == TASK.name and run.status in FINAL_STATUSES - {SUCCEEDED} and bool(run.input)


def run_file(
    request: HttpRequest, *, model_admin: ModelAdmin, run_id: UUID, file_id: UUID
) -> HttpResponseBase:
    """The bytes of a file that is for staff alone: always saved, never shown in place."""
    if not (model_admin.has_view_permission(request) and may_read_words(request)):
        raise PermissionDenied
    private: QuerySet[Artifact] = Artifact.objects.filter(
        run_id=run_id, run__is_sealed=False, role=ArtifactRole.PRIVATE, erased_at__isnull=True
    )
    row = get_object_or_404(private, pk=file_id)
    try:
        content = file_opened(row)
        file_begin(content)
    except FileNotFound:
        raise Http404 from None
    except Unavailable as error:
        return problem_response(error, request)
    return FileResponse(
        content,
        as_attachment=True,
        filename=row.name,
        content_type="application/octet-stream",
    )


def _params(given: Mapping[str, Any]) -> Any:
    """Of tasks the parameters, of jobs the inputs; else everything that was accepted."""
    return next((given[name] for name in ("params", "inputs") if name in given), given)


def _result(run: Run, veil: str) -> str:
    """The last one that was given; empty when there is none."""
    events = RunEvent.objects.filter(run_id=run.pk, kind="result").order_by("-seq")
    data = events.values_list("data", flat=True).first()
    if data is None:
        return ""
    return veil or json_text(redact_members(data.get("value")), most=TEXT_LENGTH)


def _crashes(run: Run, veil: str) -> list[dict[str, Any]]:
    """What tools raised unforeseen. Places in code may be seen by whoever sees the run; what the
    exceptions say is content."""
    if run.kind == TASK.name:
        # Theirs are private files.
        return []
    events = RunEvent.objects.filter(run_id=run.pk, kind="tool.crashed").order_by("seq")
    return [
        {
            "tool": data["tool"],
            "exception": data["exception"],
            "stack": data["stack"],
            "message": veil or data["message"],
            "code_id": f"crash-{seq}",
        }
        for seq, data in events.values_list("seq", "data")[:ROWS]
    ]


def _log_url(run: Run, veil: str) -> str:
    """Where the lines of a task's log lie as one file; empty when there is none."""
    if veil or run.kind != TASK.name or not run.is_final:
        return ""
    has_lines = RunEvent.objects.filter(run_id=run.pk, kind="log").exists()
    return file_url(run.pk, _FOLDERS[ArtifactRole.DOWNLOAD], LOG_FILE) if has_lines else ""


def _file(row: Artifact, run: Run, veil: str) -> dict[str, Any]:
    url = "" if veil or row.erased_at else _address(row, run)
    return {
        "row": row,
        "name": veil or row.name,
        "url": url,
        "is_picture": row.role == ArtifactRole.SCREENSHOT,
        "is_private": row.role == ArtifactRole.PRIVATE,
    }


def _address(row: Artifact, run: Run) -> str:
    """Files of other kinds of runs have no address."""
    if row.role == ArtifactRole.PRIVATE:
        return reverse("admin:run_file", args=[run.pk, row.pk])
    folder = _FOLDERS.get(ArtifactRole(row.role))
    return file_url(run.pk, folder, row.name) if folder and run.kind == TASK.name else ""


def _callback(row: Delivery) -> dict[str, Any]:
    status = DeliveryStatus(row.status)
    return {
        "row": row,
        "address": shown_address(row.url),
        "colour": COLOURS[status],
        "may_send": status != DeliveryStatus.WAITING,
        "dialog": f"send-again-{row.pk}",
    }


def _origin(run: Run) -> dict[str, Any]:
    """Links to what it was made of: its type, its schedule, the task that it does again."""
    given: Mapping[str, Any] = {} if run.is_sealed else run.input or {}
    settings: Mapping[str, Any] = given.get("settings") or {}
    named = str(given.get("schedule") or "")
    is_task = run.kind == TASK.name
    types = TaskDefinition.objects.filter(name=run.subject).values_list("pk", flat=True)
    schedules = TaskSchedule.objects.filter(name=named).values_list("pk", flat=True)
    return {
        "type_id": types.first() if is_task else None,
        "type_version": settings.get("version"),
        "schedule_name": named,
        "schedule_id": schedules.first() if named else None,
        "retry_of": str(given.get("retry_of") or ""),
        "step_of": given.get("step_of") or {},
    }


def _steps(run: Run, veil: str) -> dict[str, Any]:
    """Of a task whose steps are tasks: those that were begun, and behind them the others. To go on
    behind a step is no attempt."""
    settings = ({} if run.is_sealed else run.input or {}).get("settings") or {}
    definition = settings.get("definition") or {}
    if definition.get("kind") != DefinitionKind.SEQUENCE:
        return {"attempt": run.attempt}
    begun = {row.position: row for row in run.steps.select_related("run")}
    planned = definition["content"].get("steps") or []
    resumed = RunEvent.objects.filter(run_id=run.pk, kind="run.resumed").count()
    return {
        "attempt": run.attempt - resumed,
        "steps": [_step(n, plan, begun.get(n), veil) for n, plan in enumerate(planned, 1)],
    }


def _step(
    number: int, plan: Mapping[str, Any], row: SequenceStep | None, veil: str
) -> dict[str, Any]:
    step = {"number": number, "name": plan["name"], "type": plan["type"]}
    if row is None:
        return step
    if row.run is None:
        error = veil or row.error_message
        return {**step, "status": FAILED, "error_code": row.error_code, "error": error}
    return {**step, "task": row.run, "status": row.run.status, "error_code": row.run.error_code}
