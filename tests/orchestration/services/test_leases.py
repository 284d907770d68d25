from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from orchestration.log.store import RunBatch, batches_write
from orchestration.log.wire import encode
from orchestration.models import Run, RunEvent
from orchestration.services.leases import (
    Claim,
    commands_take,
    lease_claim,
    lease_hand_back,
    leases_renew,
)
from orchestration.services.run_end import run_cancel
from taskmapr.core.events import RunStarted
from tests.orchestration.conftest import StartRun
from tests.orchestration.logs import events_of

Hold = Callable[..., Claim]


def test_a_claim_brings_all_that_an_engine_begins_with(start: StartRun, hold: Hold) -> None:
    run = start()

    claim = hold(run.pk)

    assert (claim.run_id, claim.kind, claim.session_id) == (run.pk, "overlay", "s-1")
    assert (claim.lease_token, claim.attempt) == (1, 1)
    assert claim.input == {"prompt": "Hello"}
    assert [event.kind for event in claim.events] == ["run.created"]
    assert claim.deadline_at - datetime.now(UTC) > timedelta(seconds=290)


def test_a_run_is_had_by_one_worker(start: StartRun, hold: Hold) -> None:
    run = start()
    hold(run.pk)

    assert lease_claim(run_id=run.pk, worker_id="w2") is None


@pytest.mark.req("OV-24")
def test_a_run_that_waits_for_its_turn_is_not_to_be_had(start: StartRun) -> None:
    start()
    waiting = start()

    assert lease_claim(run_id=waiting.pk, worker_id="w1") is None


def test_renewing_tells_which_leases_are_still_ours(start: StartRun, hold: Hold) -> None:
    mine = start()
    other = start(session_id="s-2")
    hold(mine.pk)
    hold(other.pk, "w2")

    assert leases_renew(worker_id="w1", run_ids=[mine.pk, other.pk]) == {mine.pk}


def test_a_fenced_writer_stores_nothing(start: StartRun, hold: Hold) -> None:
    run = start()
    claim = hold(run.pk)
    Run.objects.filter(pk=run.pk).update(lease_token=claim.lease_token + 1)
    events = events_of(run.pk, [RunStarted(attempt=1, worker="w1")], after=1)
    batch = RunBatch(
        run_id=run.pk, lease_token=claim.lease_token, events=[encode(e) for e in events]
    )

    fenced, _ = batches_write([batch])

    assert fenced == {run.pk}
    assert RunEvent.objects.filter(run_id=run.pk).count() == 1


def test_handing_back_lets_the_lease_lapse_at_once(start: StartRun, hold: Hold) -> None:
    run = start()
    claim = hold(run.pk)

    lease_hand_back(run_id=run.pk, lease_token=claim.lease_token)

    run.refresh_from_db()
    assert run.lease_expires_at <= datetime.now(UTC)


def test_each_command_is_taken_once(start: StartRun, hold: Hold) -> None:
    run = start()
    hold(run.pk)
    run_cancel(run_id=run.pk, by="ada", reason="enough")

    (command,) = commands_take([run.pk])

    assert (command.kind, command.data) == ("cancel", {"reason": "enough"})
    assert commands_take([run.pk]) == []
