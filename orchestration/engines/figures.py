"""What a run tells of itself when its engine is done: once for each attempt."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from orchestration.execution.drive import HeldRun, RetryLater
from taskmapr.core.errors import (
    ModelFailed,
    ModelRefusedContext,
    ModelRequestRefused,
    TaskMaprError,
    TimedOut,
)
from taskmapr.foundation.telemetry import metrics

#: The model was there, and did not want this.
_ANSWERED = (ModelRefusedContext, ModelRequestRefused)


@contextmanager
def run_measured(held: HeldRun) -> Iterator[None]:
    """The run's session is active inside; the rest is recorded at its end, however it ends."""
    metrics.session_active(1)
    try:
        yield
    except ModelFailed as error:
        metrics.model_answered(isinstance(error, _ANSWERED))
        raise
    finally:
        metrics.session_active(-1)
        _output_measured(held)


def _output_measured(held: HeldRun) -> None:
    if held.first_output_ms is None:
        return
    first_s = held.first_output_ms / 1000
    took_s = (datetime.now(UTC) - held.claim.created_at).total_seconds()
    metrics.first_token_measured(first_s)
    metrics.token_rate_measured(held.writer.state.output_tokens, took_s - first_s)


@contextmanager
def task_measured(held: HeldRun, task_type: str) -> Iterator[None]:
    """One attempt at a task: how long it took and what it came to, however it ends. An attempt that
    goes into other hands is not counted."""
    if held.attempt == 1:
        metrics.task_waited((datetime.now(UTC) - held.claim.created_at).total_seconds())
    begun = time.monotonic()
    status = "completed"
    try:
        yield
    except RetryLater:
        status = "retrying"
        raise
    except TimedOut:
        status = "timed_out"
        raise
    except TaskMaprError:
        status = "failed"
        raise
    except asyncio.CancelledError:
        verdict = held.interruption
        status = "" if verdict is None else "timed_out" if verdict.error else "cancelled"
        raise
    finally:
        if status:
            seconds = time.monotonic() - begun
            metrics.task_attempted(task_type=task_type, status=status, seconds=seconds)
