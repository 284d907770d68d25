"""The page of one run: facts, timeline, what it waits for, what it did and said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin

from agents_cfg.models import ModelProfile
from orchestration.admin.access import HIDDEN, may_read_instructions, may_read_words
from orchestration.admin.json_text import json_text
from orchestration.admin.run_again import run_again
from orchestration.admin.run_outcome import run_outcome
from orchestration.admin.timeline import SEALED, Timeline
from orchestration.log.store import events_after
from orchestration.models import Approval, Message, Run
from orchestration.models.approval import ApprovalAsks, ApprovalStatus
from orchestration.page.sensitive import redact_members
from orchestration.services.pausing import approval_resolve
from orchestration.services.run_end import run_cancel
from taskmapr.core.errors import TaskMaprError
from taskmapr.foundation.figures import money_text

#: Events on one page of the timeline, and rows of each table beside it.
EVENTS: Final = 2000
ROWS: Final = 100

#: What an operator may answer: decision → words on the button.
ANSWERS: Final[dict[str, dict[str, str]]] = {
    ApprovalAsks.APPROVAL: {"approved": "Approve this call", "denied": "Deny it"},
    ApprovalAsks.QUESTION: {"answered": "Send answer"},
    ApprovalAsks.OUTCOME: {"happened": "It happened", "not_happened": "It did not happen"},
}


def run_page(request: HttpRequest, *, model_admin: ModelAdmin, object_id: str) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    run = _run_or_404(unquote(object_id))
    after = _number(request.GET.get("after"))
    veil = _veil(run, may_read=may_read_words(request))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": run.subject or f"{run.kind} run",
        "opts": model_admin.opts,
        "run": run,
        "is_changeable": request.user.has_perm("orchestration.change_run"),
        "is_hidden": veil == HIDDEN,
        "may_replay": not veil,
        "may_compare": may_read_instructions(request) and not run.is_sealed,
        "model_profile": _model_profile(run),
        "instructions_text": _instructions(run, may_read=may_read_instructions(request)),
        **_timeline(run, after, veil),
        **_belongings(run, veil),
        **run_outcome(run, veil),
    }
    return TemplateResponse(request, "orchestration/run_page.html", context)


def run_cancel_asked(
    request: HttpRequest, *, model_admin: ModelAdmin, run_id: UUID
) -> HttpResponse:
    run = _changeable(request, run_id)
    told = "Cancelled. If a worker holds the run, it stops within a moment."
    return _done(
        request,
        run,
        told,
        lambda: run_cancel(run_id=run.pk, by=_name(request), reason="cancelled_by_operator"),
    )


def run_retry_asked(request: HttpRequest, *, model_admin: ModelAdmin, run_id: UUID) -> HttpResponse:
    """Assign a task again for its owner, and go to the new one."""
    run = _changeable(request, run_id)
    try:
        again = run_again(run)
    except TaskMaprError as error:
        messages.error(request, error.detail)
        return redirect(reverse("admin:orchestration_run_change", args=[run.pk]))
    return _done(request, again, "Assigned again: this is the new task.", lambda: None)


def approval_answer(
    request: HttpRequest, *, model_admin: ModelAdmin, run_id: UUID, approval_id: UUID
) -> HttpResponse:
    run = _changeable(request, run_id)
    if not Approval.objects.filter(pk=approval_id, run=run).exists():
        raise Http404
    decision: Any = request.POST.get("decision", "")
    words = str(decision).replace("_", " ")
    return _done(
        request,
        run,
        f"Recorded: {words}. The run goes on when nothing else is open.",
        lambda: approval_resolve(
            approval_id=approval_id,
            decision=decision,
            by=_name(request),
            answer=request.POST.get("answer", ""),
        ),
    )


def _changeable(request: HttpRequest, run_id: UUID) -> Run:
    if request.method != "POST" or not request.user.has_perm("orchestration.change_run"):
        raise PermissionDenied
    return _run_or_404(run_id)


def _done(request: HttpRequest, run: Run, told: str, act: Any) -> HttpResponse:
    """Do it, leave an entry in the admin's log, and go back to the run's page."""
    try:
        act()
    except TaskMaprError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, told)
        LogEntry.objects.log_actions(
            cast(UUID, request.user.pk), [run], CHANGE, change_message=told
        )
    return redirect(reverse("admin:orchestration_run_change", args=[run.pk]))


def _run_or_404(run_id: UUID | str) -> Run:
    try:
        return Run.objects.select_related("owner", "profile").get(pk=run_id)
    except (Run.DoesNotExist, ValidationError):
        raise Http404 from None


def _veil(run: Run, *, may_read: bool) -> str:
    """What stands in the place of words: nothing when they may be read."""
    if run.is_sealed:
        return SEALED
    return "" if may_read else HIDDEN


def _instructions(run: Run, *, may_read: bool) -> str:
    if run.is_sealed:
        return SEALED
    return run.instructions if may_read else HIDDEN


def _model_profile(run: Run) -> ModelProfile | None:
    return ModelProfile.objects.only("name").filter(model=run.model).first() if run.model else None


def _timeline(run: Run, after: int, veil: str) -> dict[str, Any]:
    """One page of the log. Without a sealer: sealed content never leaves the database opened."""
    events = events_after(run.pk, after, limit=EVENTS + 1)
    page = events[:EVENTS]
    timeline = Timeline(veil=veil, began_at=run.created_at)
    timeline.feed_all(page)
    last = page[-1].seq if page else after
    return {
        "entries": timeline.entries,
        "after": after,
        "last_seq": last,
        "is_cut": len(events) > EVENTS,
        # The tail reads what this page lacks; it folds from the page's own beginning.
        "is_live": not run.is_final and len(events) <= EVENTS,
    }


def _belongings(run: Run, veil: str) -> dict[str, Any]:
    return {
        "request_text": veil or json_text(redact_members(run.input)),
        "approvals": [
            _approval(row, veil) for row in run.approvals.exclude(asks=ApprovalAsks.STEP)[:ROWS]
        ],
        "effects": run.effects.all()[:ROWS],
        "commands": run.commands.all()[:ROWS],
        "said": [_message(row, veil) for row in run.messages.order_by("position")[:ROWS]],
        "waited_ms": _waited_ms(run),
        "cost": money_text(run.cost_usd_micros, tokens=run.input_tokens + run.output_tokens),
    }


def _waited_ms(run: Run) -> int | None:
    if run.started_at is None:
        return None
    return int((run.started_at - run.created_at).total_seconds() * 1000)


def _approval(row: Approval, veil: str) -> dict[str, Any]:
    question: Mapping[str, Any] = {} if veil else row.question
    answer: Mapping[str, Any] = {} if veil else row.answer or {}
    return {
        "row": row,
        "code_id": f"approval-{row.pk}-args",
        "prompt": veil or question.get("prompt", ""),
        "args": "" if not question.get("args") else json_text(question["args"]),
        "answer": answer.get("answer", ""),
        "is_open": row.status == ApprovalStatus.OPEN,
        # Workflows answer by themselves.
        "answers": ANSWERS.get(row.asks, {}),
        "asks_for_text": row.asks == ApprovalAsks.QUESTION,
    }


def _message(row: Message, veil: str) -> dict[str, Any]:
    return {"row": row, "text": SEALED if row.is_sealed else veil or row.content}


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 19 else 0


def _name(request: HttpRequest) -> str:
    return str(request.user.get_username())
