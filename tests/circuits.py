"""Circuit breakers in a Redis of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from taskmapr.foundation.http import breaker_settings, breakers
from taskmapr.foundation.http.breaker_settings import limits_read_by
from taskmapr.foundation.http.breaker_states import circuits_now


@pytest.fixture
def own_circuits(redis_url: str, settings: Any) -> Iterator[None]:
    """All are closed, and operators said nothing of any: `limits_read_by` says otherwise."""
    settings.TASKMAPR_AIO_INLINE = True
    breakers.forget()
    reader = breaker_settings._said.read
    limits_read_by(lambda: {})
    yield
    breaker_settings._said.read, breaker_settings._said.limits = reader, {}
    breaker_settings._said.until = 0.0
    breakers.forget()


def state_of(service: str) -> str:
    return next((c.state for c in circuits_now() if c.service == service), "closed")
