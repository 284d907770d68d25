"""Runs that begin in a real Redis, as while Postgres is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from redis import Redis

from agents_cfg.models import OverlayProfile
from orchestration.adapters.redis_standby import RedisStandby
from orchestration.log.endings import Totals, Verdict, ending_of, last_events
from orchestration.log.store import RunBatch
from orchestration.log.transcript import Transcript
from orchestration.log.wire import encode
from orchestration.services.leases import Claim
from orchestration.services.run_start import NewRun, StartedRun
from orchestration.standby.holding import standby_batches_write, standby_lease_claim
from orchestration.standby.records import StandbySetup
from orchestration.standby.starting import standby_run_start
from taskmapr.core import wired
from taskmapr.core.events import Event, RunStarted, TextDelta, data_of, kind_of
from taskmapr.core.ids import uuid7
from taskmapr.core.ports import ModelEndpoint
from taskmapr.core.run_state import advance, fold
from taskmapr.users.models import User

SETUP = StandbySetup(
    profile=OverlayProfile(name="default"),
    endpoint=ModelEndpoint(model="mock/echo", adapter="offline", api_key="sk-not-in-redis"),
)
Begin = Callable[..., StartedRun]


@pytest.fixture
def store(ports: wired.Ports, redis_url: str) -> Iterator[RedisStandby]:
    with Redis.from_url(redis_url, socket_timeout=2) as client:
        store = RedisStandby(client)
        wired.wire(replace(wired.ports(), standby=store))
        yield store


@pytest.fixture
def begin(store: RedisStandby, ada: User) -> Begin:
    def begin(**changes: Any) -> StartedRun:
        given: dict[str, Any] = {
            "run_id": uuid7(),
            "kind": "overlay",
            "owner_id": ada.pk,
            "session_id": "s-1",
            "input": {"prompt": "Hello"},
            "prompt": "Hello",
            "model": "mock/echo",
        }
        return standby_run_start(NewRun(**{**given, **changes}), SETUP)

    return begin


def claimed(run_id: UUID) -> Claim:
    claim = standby_lease_claim(run_id=run_id, worker_id="w1")
    assert claim is not None
    return claim


def write(claim: Claim, *payloads: object, verdict: Verdict | None = None) -> list[UUID]:
    """Append to a held run as its worker would; with a verdict, end it."""
    state = fold(claim.events)
    events: list[Event] = []
    transcript = Transcript(claim.events)
    totals = Totals(model=claim.model, started_at=claim.created_at)

    def add(payload: object) -> None:
        nonlocal state
        data = data_of(payload)
        event = Event(claim.run_id, state.seq + 1, kind_of(payload).name, data, claim.created_at)
        state = advance(state, event)
        transcript.feed(event.kind, data)
        events.append(event)

    for payload in payloads:
        add(payload)
    ending = None
    if verdict is not None:
        for payload in last_events(state, verdict, totals):
            add(payload)
        ending = ending_of(
            payload,  # type: ignore[arg-type]
            verdict=verdict,
            totals=totals,
            transcript=transcript,
            session_id=claim.session_id,
            sealer=None,
        )
    batch = RunBatch(
        run_id=claim.run_id,
        lease_token=claim.lease_token,
        events=[encode(event) for event in events],
        ending=ending,
    )
    fenced, successors = standby_batches_write([batch])
    assert not fenced
    return successors


def finish(run_id: UUID, answer: str = "Hi.") -> list[UUID]:
    """Carry a run to a good end; returns the runs whose turn it is then."""
    claim = claimed(run_id)
    return write(
        claim, RunStarted(attempt=1, worker="w1"), TextDelta(text=answer), verdict=Verdict()
    )
