from __future__ import annotations

import pytest

from orchestration.intents.words import error_told
from orchestration.log.endings import error_event
from taskmapr.core.errors import CircuitOpen


@pytest.mark.req("IN-31")
def test_an_open_circuit_that_a_job_met_asks_for_the_circuits_own_pause() -> None:
    event = error_event(CircuitOpen("It is left alone.", details={"retry_after_s": 27}))
    told = error_told({"code": event.code, "message": event.message, "details": event.details})
    assert told.headers["Retry-After"] == "27"
