"""Who locks several rows locks them in one order, so that nobody waits in a circle."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import DatabaseError, connection

from orchestration.log.store import RunBatch, batches_write
from orchestration.log.wire import encode
from orchestration.services.leases import Claim, leases_renew
from orchestration.services.run_end import run_cancel
from taskmapr.core.errors import AlreadyFinished
from taskmapr.core.events import ProgressMade, RunStarted
from tests.orchestration.conftest import StartRun
from tests.orchestration.logs import events_of

pytestmark = pytest.mark.django_db(transaction=True)
Hold = Callable[[UUID], Claim]


def _together(*jobs: Callable[[], None]) -> list[Exception]:
    """Run the jobs in threads of their own; what the database refused."""
    refused: list[Exception] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except DatabaseError as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return refused


def test_storing_and_renewing_many_runs_never_wait_in_a_circle(start: StartRun, hold: Hold) -> None:
    claims = [hold(start(session_id=f"s-{n}").pk) for n in range(40)]

    def store() -> None:
        for turn in range(25):
            batches = []
            for claim in random.sample(claims, len(claims)):
                first = RunStarted(attempt=1, worker="w1")
                payload = first if turn == 0 else ProgressMade(fraction=0.5)
                event = events_of(claim.run_id, [payload], after=turn + 1)[0]
                batches.append(
                    RunBatch(
                        run_id=claim.run_id,
                        lease_token=claim.lease_token,
                        events=[encode(event)],
                    )
                )
            fenced, _ = batches_write(batches)
            assert not fenced

    def renew() -> None:
        for _ in range(60):
            wanted = [claim.run_id for claim in random.sample(claims, len(claims))]
            assert len(leases_renew(worker_id="w1", run_ids=wanted)) == len(claims)

    assert _together(store, renew, renew) == []


def test_ending_runs_of_one_session_from_many_sides_never_wait_in_a_circle(
    start: StartRun,
) -> None:
    for round_ in range(6):
        runs = [start(session_id=f"one-{round_}") for _ in range(4)]

        def cancel(run_id: UUID) -> None:
            try:
                run_cancel(run_id=run_id, by="ada")
            except AlreadyFinished:
                raise AssertionError("each run is cancelled once") from None

        jobs = [lambda run=run: cancel(run.pk) for run in reversed(runs)]
        assert _together(*jobs) == []
