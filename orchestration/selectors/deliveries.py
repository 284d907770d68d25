"""How callbacks stand."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from orchestration.dialects.task_result import moment_of
from orchestration.models import Delivery
from orchestration.models.delivery import DeliveryStatus

_NONE: Final[dict[str, Any]] = {
    "status": "none",
    "attempts": 0,
    "last_status_code": None,
    "next_attempt_at": None,
}


def callback_summary(run_id: UUID) -> dict[str, Any]:
    """{status, attempts, last_status_code, next_attempt_at} of the run's callback, as JSON.

    status: none, pending, delivered, failed or disabled. With several callbacks, of the first one.
    """
    return callback_summaries([run_id])[run_id]


def callback_summaries(run_ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    """The same for many runs, with one query."""
    found: dict[UUID, dict[str, Any]] = {}
    for delivery in Delivery.objects.filter(run_id__in=run_ids).order_by("id"):
        found.setdefault(delivery.run_id, _summary(delivery))
    return {run_id: found.get(run_id) or dict(_NONE) for run_id in run_ids}


def _summary(delivery: Delivery) -> dict[str, Any]:
    waits = delivery.status == DeliveryStatus.WAITING
    return {
        "status": "pending" if waits else str(delivery.status),
        "attempts": delivery.attempts,
        "last_status_code": delivery.last_status_code,
        "next_attempt_at": moment_of(delivery.next_attempt_at),
    }
