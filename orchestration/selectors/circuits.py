"""What operators say about circuit breakers."""

from __future__ import annotations

from orchestration.models import CircuitSetting
from taskmapr.foundation.http.breaker_settings import Limits


def circuit_limits() -> dict[str, Limits]:
    """By service, for those that have numbers of their own."""
    return {
        row.service: Limits(
            failures=row.failures,
            window_s=row.window_s,
            open_s=row.open_s,
            successes=row.successes,
        )
        for row in CircuitSetting.objects.all()
    }
