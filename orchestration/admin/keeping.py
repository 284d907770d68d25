"""What is kept for how long: the settings of this server, in words, with what they mean now."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Min
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from orchestration.models import Run, Session
from taskmapr.core import jobs
from taskmapr.core.run_kinds import run_kinds


def keeping_page(request: HttpRequest) -> HttpResponse:
    """Read-only: the environment says it, so that a slip in the admin erases nothing."""
    if not request.user.has_perm("orchestration.view_run"):
        raise PermissionDenied
    kept = Run.objects.filter(content_erased_at__isnull=True).order_by("pk")
    context = {
        **admin.site.each_context(request),
        "title": "Retention",
        "rules": [*_rules(), *_kinds()],
        "oldest_content_at": kept.values_list("created_at", flat=True).first(),
        "oldest_session_at": Session.objects.aggregate(at=Min("updated_at"))["at"],
        "chore": jobs.RETENTION_APPLY,
    }
    return TemplateResponse(request, "admin/keeping.html", context)


def _rules() -> list[dict[str, Any]]:
    own = settings.TASKMAPR
    days = own["session_ttl_days"]
    return [
        {
            "what": "Events of a run can be followed",
            "how_long": f"at least {own['events_retention_h']} hours after its end",
            "setting": "TASKMAPR_EVENTS_RETENTION_H",
        },
        {
            "what": "Request, instructions and events of a run",
            "how_long": f"{own['snapshot_retention_days']} days after its end",
            "setting": "TASKMAPR_SNAPSHOT_RETENTION_DAYS",
        },
        {
            "what": "Sessions that nobody uses, with their messages and runs",
            "how_long": f"{days} days after their last use" if days else "for ever",
            "setting": "TASKMAPR_SESSION_TTL_DAYS",
        },
        {
            "what": "Who ran which command on which host",
            "how_long": f"{own['ssh_audit_retention_days']} days",
            "setting": "TASKMAPR_SSH_AUDIT_RETENTION_DAYS",
        },
    ]


def _kinds() -> list[dict[str, Any]]:
    return [
        {
            "what": f"Contents of {kind.name} runs",
            "how_long": f"{kind.content_retention_h} hours after their end",
            "setting": "the kind itself",
        }
        for kind in run_kinds()
        if kind.content_retention_h is not None
    ]
