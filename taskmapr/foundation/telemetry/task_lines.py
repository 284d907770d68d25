"""What is told of a task's life: one line and one figure for each step of it.

The lines are what `automation.log` holds. They name the task, its type and how long an attempt
took; neither its parameters nor its results.
"""

from __future__ import annotations

import logging
from typing import Any

from taskmapr.foundation.telemetry import metrics

logger = logging.getLogger(__name__)


def task_assigned(task_id: str, task_type: str) -> None:
    _tell("assigned", task_id, task_type)


def task_started(task_id: str, task_type: str, *, attempt: int, waited_s: float) -> None:
    """waited_s: since the task was assigned."""
    if attempt == 1:
        metrics.task_waited(waited_s)
    _tell("started", task_id, task_type, attempt=attempt)


def task_retried(
    task_id: str, task_type: str, *, seconds: float, attempt: int, code: str, delay_s: float
) -> None:
    """An attempt failed and another one follows after delay_s."""
    metrics.task_attempted(task_type=task_type, status="retrying", seconds=seconds)
    _tell(
        "retry",
        task_id,
        task_type,
        duration_ms=round(seconds * 1000),
        attempt=attempt,
        code=code,
        delay_s=round(delay_s, 3),
    )


def task_ended(
    task_id: str, task_type: str, *, status: str, seconds: float | None, code: str = ""
) -> None:
    """status: completed, failed, timed_out or cancelled. seconds: of the attempt with which it
    ended; None: it ended while nobody worked on it."""
    if seconds is None:
        metrics.task_counted(task_type=task_type, status=status)
    else:
        metrics.task_attempted(task_type=task_type, status=status, seconds=seconds)
    told: dict[str, Any] = {"status": status}
    if seconds is not None:
        told["duration_ms"] = round(seconds * 1000)
    if code:
        told["code"] = code
    _tell("completed" if status == "completed" else "failed", task_id, task_type, **told)


def _tell(event: str, task_id: str, task_type: str, **told: Any) -> None:
    took = f" after {told['duration_ms']} ms" if "duration_ms" in told else ""
    logger.info(
        "task %s (%s): %s%s",
        task_id,
        task_type,
        event,
        took,
        extra={"event": event, "task_id": task_id, "task_type": task_type, **told},
    )
