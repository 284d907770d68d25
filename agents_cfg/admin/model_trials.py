"""The page on which operators try a model and see what came of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin

from agents_cfg.models import ModelProfile, ModelTrial
from agents_cfg.models.model_trial import TrialStatus
from agents_cfg.services.model_trials import LIMIT_S, QUESTION, model_trial_request
from taskmapr.core.errors import TaskMaprError
from taskmapr.foundation.figures import money_text

#: A trial that waits longer than this was not taken by any worker, or lost with one.
PATIENCE: Final = timedelta(seconds=LIMIT_S + 15)


def model_trials(request: HttpRequest, *, model_admin: ModelAdmin, object_id: int) -> HttpResponse:
    """GET: the trials, newest first. POST: one more."""
    profile = get_object_or_404(ModelProfile.objects.defer("api_key"), pk=object_id)
    if request.method == "POST":
        return _asked(request, model_admin, profile)
    if not model_admin.has_view_permission(request, profile):
        raise PermissionDenied
    trials = [_shown(trial) for trial in ModelTrial.objects.filter(profile=profile)]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Test of {profile.name}",
        "opts": model_admin.opts,
        "profile": profile,
        "question": QUESTION,
        "trials": trials,
        "is_waiting": any(trial["status"] == "waiting" for trial in trials),
        "may_ask": model_admin.has_change_permission(request, profile),
    }
    return TemplateResponse(request, "admin/model_trials.html", context)


def _asked(request: HttpRequest, model_admin: ModelAdmin, profile: ModelProfile) -> HttpResponse:
    if not model_admin.has_change_permission(request, profile):
        raise PermissionDenied
    try:
        model_trial_request(profile=profile, by=request.user.get_username())
    except TaskMaprError as error:
        messages.error(request, error.detail)
    else:
        model_admin.log_change(request, profile, "tested")
    return redirect(reverse("admin:agents_cfg_modelprofile_test", args=[profile.pk]))


def _shown(trial: ModelTrial) -> dict[str, Any]:
    is_lost = (
        trial.status == TrialStatus.WAITING and datetime.now(UTC) - trial.created_at > PATIENCE
    )
    tokens = (trial.input_tokens or 0) + (trial.output_tokens or 0)
    return {
        "row": trial,
        "status": "failed" if is_lost else trial.status,
        "is_lost": is_lost,
        "cost": money_text(trial.cost_usd_micros, tokens=tokens),
    }
