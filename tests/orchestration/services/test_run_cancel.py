from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from orchestration.models import Command, Message
from orchestration.services.leases import Claim
from orchestration.services.run_end import run_cancel
from taskmapr.core.errors import AlreadyFinished, RunNotFound
from taskmapr.core.ids import uuid7
from tests.fakes import RecordingLog, RecordingQueue, RecordingSignals
from tests.orchestration.conftest import StartRun
from tests.orchestration.logs import assert_replay_equals_row, kinds

Hold = Callable[[UUID], Claim]


def test_a_queued_run_ends_at_once_and_its_readers_are_told(
    start: StartRun, live_log: RecordingLog, django_capture_on_commit_callbacks: object
) -> None:
    run = start()

    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        run_cancel(run_id=run.pk, by="ada")

    assert kinds(run) == ["run.created", "metadata", "run.finished"]
    assert_replay_equals_row(run)
    assert (run.status, run.reason) == ("cancelled", "cancelled_by_user")
    assert [parcel.is_terminal for parcel in live_log.parcels] == [True]


def test_the_writer_of_a_held_run_is_told(
    start: StartRun,
    hold: Hold,
    signals: RecordingSignals,
    django_capture_on_commit_callbacks: object,
) -> None:
    run = start()
    hold(run.pk)

    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        run_cancel(run_id=run.pk, by="ada")

    run.refresh_from_db()
    assert run.status == "running"
    command = Command.objects.get(run=run)
    assert (command.kind, command.by, command.taken_at) == ("cancel", "ada", None)
    assert signals.bells == [("w1", run.pk)]


def test_a_finished_run_is_left_alone(start: StartRun) -> None:
    run = start()
    run_cancel(run_id=run.pk, by="ada")
    before = kinds(run)

    with pytest.raises(AlreadyFinished):
        run_cancel(run_id=run.pk, by="ada")

    assert kinds(run) == before


def test_an_unknown_run_does_not_exist(db: None) -> None:
    with pytest.raises(RunNotFound):
        run_cancel(run_id=uuid7(), by="ada")


@pytest.mark.req("OV-24")
def test_the_next_run_of_the_session_takes_its_turn(start: StartRun, queue: RecordingQueue) -> None:
    first, second, third = start(), start(), start()

    run_cancel(run_id=first.pk, by="ada")

    assert queue.run_ids == [first.pk, second.pk]
    third.refresh_from_db()
    assert third.enqueued_at is None


@pytest.mark.req("OV-23")
def test_the_session_keeps_a_partial_answer(start: StartRun) -> None:
    run = start()

    run_cancel(run_id=run.pk, by="ada")

    answer = Message.objects.get(run=run, role="assistant")
    assert (answer.content, answer.is_partial) == ("", True)
