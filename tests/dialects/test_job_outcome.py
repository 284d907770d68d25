"""What a job's log says of how it went."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from orchestration.dialects.orchestrate import Outcome


@pytest.fixture
def _nobody_collects() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_nobody_collects")
def test_it_goes_by_itself_with_all_that_it_holds() -> None:
    outcome = Outcome()
    outcome.feed("result", {"value": {"stored": True}, "content": None})
    left = weakref.ref(outcome)

    del outcome

    assert left() is None
