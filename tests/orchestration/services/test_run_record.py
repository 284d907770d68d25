"""Runs that begin and end in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from orchestration.log.store import events_all
from orchestration.models import IdempotencyKey, Run
from orchestration.services.idempotency import Once, RunRepeated
from orchestration.services.run_record import OwnCall, RecordedRun, run_record
from orchestration.services.run_start import NewRun
from taskmapr.core import wired
from taskmapr.core.errors import IdempotencyKeyReused, ToolError
from taskmapr.core.ids import uuid7
from taskmapr.core.run_state import fold
from taskmapr.users.models import User
from tests.orchestration.logs import assert_replay_equals_row, kinds

WHOLE = [
    "run.created",
    "run.started",
    "tool.started",
    "tool.completed",
    "result",
    "metadata",
    "run.finished",
]


def new_run(ada: User, **given: Any) -> NewRun:
    return NewRun(
        **{
            "run_id": uuid7(),
            "kind": "intent",
            "owner_id": ada.pk,
            "session_id": None,
            "input": {"inputs": {"text": "violets"}},
            "subject": "memory.write",
            "mode": "agent",
            "mode_reason": "default 2",
            **given,
        }
    )


def record(new: NewRun, perform: Callable[[], Any], **how: Any) -> RecordedRun:
    call = OwnCall(call_id="c1", tool=new.subject, args={"text": "violets"}, perform=perform)
    return run_record(new, call, **how)


@pytest.mark.req("OV-02", "IN-03")
def test_the_whole_log_is_there_when_the_call_is_done(ada: User) -> None:
    new = new_run(ada)
    recorded = record(new, lambda: {"item_id": "mem_1"})

    run = Run.objects.get(pk=new.run_id)
    assert (run.status, run.subject, run.mode) == ("succeeded", "memory.write", "agent")
    assert kinds(run) == WHOLE
    assert recorded.value == {"item_id": "mem_1"}
    assert [e.kind for e in recorded.events] == WHOLE
    assert recorded.duration_ms == run.duration_ms
    sealer = wired.ports().sealers.for_user(ada.pk)
    assert fold(events_all(new.run_id, sealer)).status == "succeeded"
    assert_replay_equals_row(run)


@pytest.mark.req("IN-15")
def test_what_was_said_is_sealed(ada: User) -> None:
    new = new_run(ada)
    record(new, lambda: {"echo": "marigold"})

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(data::text, '') FROM agent_run_events WHERE run_id = %s",
            [new.run_id],
        )
        (stored,) = cursor.fetchone()
    stored += str(Run.objects.get(pk=new.run_id).input)
    assert "violets" not in stored
    assert "marigold" not in stored


@pytest.mark.req("IN-05")
def test_a_failed_call_leaves_its_run_and_nothing_else(ada: User) -> None:
    def perform() -> None:
        User.objects.create_user("made@example.org")
        raise ToolError("memory_not_found", "There is no such item.", 404)

    new = new_run(ada)
    recorded = record(new, perform)

    assert recorded.error is not None
    assert (recorded.error.code, recorded.error.status) == ("memory_not_found", 404)
    assert not User.objects.filter(email="made@example.org").exists()
    run = Run.objects.get(pk=new.run_id)
    assert (run.status, run.error_code) == ("failed", "memory_not_found")
    assert "result" not in kinds(run)
    assert_replay_equals_row(run)


@pytest.mark.req("IN-28")
def test_an_unexpected_exception_is_not_told_to_callers(ada: User) -> None:
    new = new_run(ada, request_id="req-1")
    recorded = record(new, lambda: 1 / 0)

    assert recorded.error is not None
    assert (recorded.error.code, recorded.error.detail) == ("tool_failed", "Tool failed")
    assert recorded.error.details == {"request_id": "req-1"}
    assert_replay_equals_row(Run.objects.get(pk=new.run_id))


@pytest.mark.req("IN-33", "IN-34")
def test_a_repeat_finds_the_run_that_succeeded_and_performs_nothing(ada: User) -> None:
    once = Once(key="k", fingerprint="f")
    first = new_run(ada, once=once)
    record(first, lambda: 1)
    performed: list[int] = []

    with pytest.raises(RunRepeated) as repeated:
        record(new_run(ada, once=once), lambda: performed.append(1))
    assert repeated.value.run_id == first.run_id
    assert not performed
    assert Run.objects.count() == 1
    with pytest.raises(IdempotencyKeyReused):
        record(new_run(ada, once=Once(key="k", fingerprint="other")), lambda: 1)
    assert Run.objects.count() == 1


@pytest.mark.req("IN-34", "IN-36")
@pytest.mark.parametrize("keeps_key", [True, False])
def test_a_failure_frees_the_key_unless_it_is_to_be_replayed(ada: User, keeps_key: bool) -> None:
    def perform() -> None:
        raise ToolError("nothing_there", "Nothing there.", 404)

    new = new_run(ada, once=Once(key="k", fingerprint="f"))
    record(new, perform, keeps_key=keeps_key)

    assert IdempotencyKey.objects.filter(run_id=new.run_id).exists() is keeps_key
