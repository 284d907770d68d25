"""What a run tells of itself when its engine is done: once for each attempt."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import InterfaceError, OperationalError

from orchestration.execution.drive import HeldRun, Paused, RetryLater
from taskmapr.core.errors import (
    CircuitOpen,
    LeaseLost,
    ModelFailed,
    ModelRefusedContext,
    ModelRequestRefused,
    TaskMaprError,
    TimedOut,
)
from taskmapr.foundation.telemetry import metrics, task_lines

#: The model was there, and did not want this.
_ANSWERED = (ModelRefusedContext, ModelRequestRefused)


@contextmanager
def run_measured(held: HeldRun) -> Iterator[None]:
    """The run's session is active inside; the rest is recorded at its end, however it ends."""
    metrics.session_active(1)
    try:
        yield
    except (ModelFailed, CircuitOpen) as error:
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
def task_measured(held: HeldRun, task_type: str, *, goes_on: bool = False) -> Iterator[None]:
    """One attempt at a task: how long it took and what it came to, however it ends. An attempt that
    goes into other hands, or waits for a person, is not counted.

    goes_on: it began before it waited for something; its time counts from then on.
    """
    task_id, attempt = str(held.run_id), held.attempt
    begun = time.monotonic()
    if goes_on:
        first = next(event.at for event in held.claim.events if event.kind == "run.started")
        begun -= (datetime.now(UTC) - first).total_seconds()
    else:
        waited_s = (datetime.now(UTC) - held.claim.created_at).total_seconds()
        task_lines.task_started(task_id, task_type, attempt=attempt, waited_s=waited_s)

    def ended(status: str, code: str = "") -> None:
        seconds = time.monotonic() - begun
        task_lines.task_ended(task_id, task_type, status=status, seconds=seconds, code=code)

    try:
        yield
    except RetryLater as again:
        task_lines.task_retried(
            task_id,
            task_type,
            seconds=time.monotonic() - begun,
            attempt=attempt,
            code=again.code,
            delay_s=again.delay_s,
        )
        raise
    except (Paused, LeaseLost, OperationalError, InterfaceError):
        raise
    except TaskMaprError as error:
        ended("timed_out" if isinstance(error, TimedOut) else "failed", error.code)
        raise
    except Exception:
        ended("failed", TaskMaprError.code)
        raise
    except asyncio.CancelledError:
        if (verdict := held.interruption) is not None:
            ended("timed_out" if verdict.error else "cancelled")
        raise
    else:
        ended("completed")
