"""Storing a batch again whose first answer was lost."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import FrameType

import pytest

from orchestration.log.store import RunBatch, batches_write
from orchestration.log.wire import StoredEvent, encode
from orchestration.models import RunEvent
from orchestration.services.leases import Claim
from taskmapr.core.events import Event
from tests.orchestration.conftest import StartRun


@pytest.fixture
def within_seconds() -> Iterator[None]:
    """A writer that waits for itself fails here instead of hanging."""

    def fail(signum: int, frame: FrameType | None) -> None:
        raise TimeoutError("the batch is not stored")

    previous = signal.signal(signal.SIGALRM, fail)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


def _deltas(claim: Claim, *seqs: int) -> list[StoredEvent]:
    at = datetime.now(UTC)
    return [encode(Event(claim.run_id, seq, "text.delta", {"text": "."}, at)) for seq in seqs]


@pytest.mark.usefixtures("within_seconds")
def test_adds_only_what_the_log_lacks(start: StartRun, hold: Callable[..., Claim]) -> None:
    run = start()
    claim = hold(run.pk)
    token = claim.lease_token
    batches_write([RunBatch(run_id=run.pk, lease_token=token, events=_deltas(claim, 2, 3))])

    again = RunBatch(
        run_id=run.pk, lease_token=token, events=_deltas(claim, 2, 3, 4), may_be_stored=True
    )
    fenced, _ = batches_write([again])

    assert fenced == set()
    stored = RunEvent.objects.filter(run_id=run.pk).order_by("seq").values_list("seq", flat=True)
    assert list(stored) == [1, 2, 3, 4]
