"""Nothing that was made for one reader or one job waits for the collector."""

from __future__ import annotations

import weakref

import pytest

from orchestration.dialects.orchestrate import Outcome
from orchestration.dialects.table import DIALECTS, dialect_for
from taskmapr.core.ids import uuid7


@pytest.mark.usefixtures("nobody_collects")
def test_what_came_of_a_job_goes_by_itself_with_all_that_it_holds() -> None:
    outcome = Outcome()
    outcome.feed("result", {"value": {"stored": True}, "content": None})
    left = weakref.ref(outcome)

    del outcome

    assert left() is None


@pytest.mark.usefixtures("nobody_collects")
@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_a_dialect_goes_by_itself(name: str) -> None:
    dialect = dialect_for(name, uuid7())
    dialect.open()
    left = weakref.ref(dialect)

    del dialect

    assert left() is None
