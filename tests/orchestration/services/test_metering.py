"""Runs that are over are in the ledger of usage, once each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from agents_cfg.selectors.fresh import fresh
from billing.models import Quota, QuotaUse, Reservation, Usage
from orchestration.models import Run
from orchestration.services.leases import Claim
from orchestration.services.metering import runs_meter
from orchestration.services.run_end import run_cancel, run_fail
from orchestration.services.run_record import OwnCall, run_record
from orchestration.services.run_start import NewRun
from taskmapr.core.errors import ToolFailed, WorkerLost
from taskmapr.core.events import ModelResponded, ToolCompleted, ToolStarted
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from tests.orchestration.conftest import StartRun
from tests.orchestration.logs import write

Hold = Callable[[UUID], Claim]
FIGURES = ("calls", "failed", "unpriced", "input_tokens", "output_tokens", "cost_usd_micros")


def ledger() -> dict[str, tuple[int, ...]]:
    """By the parts' names; the runs themselves under ''."""
    return {part: tuple(row) for part, *row in Usage.objects.values_list("part", *FIGURES)}


def recorded(ada: User, perform: Callable[[], Any] = lambda: 1, **given: Any) -> NewRun:
    new = NewRun(
        run_id=uuid7(),
        kind="intent",
        owner_id=ada.pk,
        session_id=None,
        input={},
        subject="memory.write",
        mode="agent",
        credential="key:7",
        **given,
    )
    call = OwnCall(
        call_id="c", tool="memory.write", args={}, perform=perform, cost_of=lambda seconds: 250
    )
    run_record(new, call)
    return new


@pytest.mark.req("IN-38")
def test_a_run_and_what_it_was_made_of_are_counted_once(
    start: StartRun, hold: Hold, ada: User
) -> None:
    run = start()
    asked = ModelResponded(
        step=1,
        model="m1",
        duration_ms=5,
        input_tokens=30,
        output_tokens=12,
        cost_usd_micros=400,
        calls=[{"call_id": "c", "name": "x.y", "arguments": "{}"}],
    )
    done = ToolCompleted(call_id="c", tool="x.y", ok=True, duration_ms=3, cost_usd_micros=50)
    write(
        hold(run.pk),
        asked,
        ToolStarted(call_id="c", tool="x.y"),
        done,
    )
    Run.objects.filter(pk=run.pk).update(lease_owner="", lease_expires_at=None)
    run_fail(run_id=run.pk, error=WorkerLost())

    assert runs_meter() == 1
    assert runs_meter() == 0

    assert Run.objects.get(pk=run.pk).cost_usd_micros == 450
    assert ledger() == {
        "": (1, 1, 0, 30, 12, 450),
        "model:m1": (1, 0, 0, 30, 12, 400),
        "x.y": (1, 0, 0, 0, 0, 50),
    }


@pytest.mark.req("IN-38")
def test_runs_of_a_day_are_added_up(ada: User) -> None:
    recorded(ada)
    recorded(ada)
    runs_meter()
    recorded(ada)
    runs_meter()

    assert ledger() == {"": (3, 0, 0, 0, 0, 750), "memory.write": (3, 0, 0, 0, 0, 750)}
    row = Usage.objects.get(part="")
    assert (row.user, row.credential, row.kind, row.mode) == (ada, "key:7", "intent", "agent")


def test_open_runs_are_left_alone(start: StartRun) -> None:
    run = start()
    assert runs_meter() == 0
    run_cancel(run_id=run.pk, by="test")
    assert runs_meter() == 1
    assert ledger()["overlay"] == (1, 1, 0, 0, 0, 0)


@pytest.mark.req("IN-38")
def test_a_call_that_failed_before_it_did_anything_is_given_back(ada: User) -> None:
    Quota.objects.create(max_calls=1, max_cost_usd_micros=1000)
    fresh.clear()

    def fail() -> None:
        raise ToolFailed

    recorded(ada, fail)
    assert not Reservation.objects.exists()

    recorded(ada)
    runs_meter()

    use = QuotaUse.objects.get()
    assert (use.calls, use.reserved_calls, use.cost_usd_micros) == (1, 0, 250)


def test_a_run_that_was_cancelled_in_the_queue_is_no_call(start: StartRun) -> None:
    Quota.objects.create(max_calls=1, pattern="overlay")
    fresh.clear()
    run = start()
    run_cancel(run_id=run.pk, by="test")
    runs_meter()

    use = QuotaUse.objects.get()
    assert (use.calls, use.reserved_calls) == (0, 0)
    start()
