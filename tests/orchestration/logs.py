"""Short ways to write and read logs in tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from orchestration.log.store import RunBatch, batches_write, events_after
from orchestration.log.wire import encode
from orchestration.models import Run
from orchestration.services.leases import Claim
from taskmapr.core.events import Event, RunStarted, data_of, kind_of
from taskmapr.core.run_state import RunState, fold


def events_of(run_id: UUID, payloads: Iterable[Any], *, after: int) -> list[Event]:
    return [
        Event(run_id, seq, kind_of(p).name, data_of(p), datetime.now(UTC))
        for seq, p in enumerate(payloads, after + 1)
    ]


def write(claim: Claim, *payloads: Any) -> None:
    """Store events as the worker with this claim; `run.started` goes first on its first call."""
    have = events_after(claim.run_id, 0)
    if have[-1].kind in {"run.created", "run.retrying", "run.resumed"}:
        payloads = (RunStarted(attempt=claim.attempt, worker="w1"), *payloads)
    events = events_of(claim.run_id, payloads, after=have[-1].seq)
    fold([*have, *events])
    batch = RunBatch(
        run_id=claim.run_id, lease_token=claim.lease_token, events=[encode(e) for e in events]
    )
    fenced, _ = batches_write([batch])
    assert not fenced


def kinds(run: Run) -> list[str]:
    return [event.kind for event in events_after(run.pk, 0)]


def state(run: Run) -> RunState:
    return fold(events_after(run.pk, 0))


def assert_replay_equals_row(run: Run) -> None:
    """Folding the log gives what the row says."""
    run.refresh_from_db()
    folded = state(run)
    assert folded.status == run.status
    assert folded.seq == run.last_seq
    assert (folded.error_code or "") == run.error_code
    if folded.is_final:
        assert (folded.input_tokens, folded.output_tokens) == (run.input_tokens, run.output_tokens)
