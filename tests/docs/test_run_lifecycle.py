"""docs/lifecycles/run.md against the state machine."""

from __future__ import annotations

from taskmapr.core import run_state
from tests.docs.documents import ROOT, table_rows

TEXT = (ROOT / "docs" / "lifecycles" / "run.md").read_text()


def test_the_table_of_events_is_the_one_that_is_enforced() -> None:
    shown = {row[0].strip("`"): row[1] for row in table_rows(TEXT, "Event")}
    enforced = {kind: _words(allowed) for kind, (allowed, _) in run_state._RULES.items()}
    assert shown == enforced


def _words(allowed: frozenset[str]) -> str:
    if allowed == {run_state.UNBORN}:
        return "not created"
    order = ("queued", "running", "retrying", "paused")
    return ", ".join(sorted(allowed, key=order.index))


def test_every_open_state_is_explained() -> None:
    shown = {row[0].strip("`") for row in table_rows(TEXT, "State")}
    assert shown == run_state.OPEN_STATUSES
