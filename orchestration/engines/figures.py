"""What a run tells of itself when its engine is done: once for each attempt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from orchestration.execution.drive import HeldRun
from taskmapr.core.errors import ModelFailed, ModelRefusedContext, ModelRequestRefused
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
