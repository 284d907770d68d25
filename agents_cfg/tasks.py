"""Jobs of the configuration."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from agents_cfg.services.model_trials import model_trial_run
from taskmapr.core import jobs


@shared_task(name=jobs.MODEL_TRY, ignore_result=True)
def model_try(trial_id: str) -> None:
    model_trial_run(trial_id=UUID(trial_id))
