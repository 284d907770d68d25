"""Runs as their owners see them when they ask: what callbacks tell."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from orchestration.dialects.orchestrate import job_body
from orchestration.intents.names import job_id_of
from orchestration.models import Run
from orchestration.selectors.deliveries import callback_summary
from orchestration.selectors.jobs import Reader, job_find


def job_told(run_id: UUID) -> dict[str, Any]:
    """What `GET /jobs/{job_id}` answers the owner. Raises JobNotFound and KeyUnavailable."""
    owner_id = Run.objects.values_list("owner_id", flat=True).get(pk=run_id)
    job = job_find(job_id_of(run_id), Reader(user_id=owner_id))
    return job_body(job.row, job.outcome, callback_summary(run_id))
