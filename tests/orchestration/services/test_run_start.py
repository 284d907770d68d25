from __future__ import annotations

import threading

import pytest
from django.db import connection

from orchestration.models import Message, Run, Session
from orchestration.services.run_start import NewRun, run_start
from taskmapr.core import jobs
from taskmapr.core.errors import QueueUnavailable, SessionBusy, SessionForbidden
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from tests.fakes import RecordingQueue
from tests.orchestration.conftest import StartRun
from tests.orchestration.logs import assert_replay_equals_row, kinds


@pytest.mark.req("OV-01", "OV-02")
def test_it_creates_the_run_with_its_first_event_and_queues_it(
    start: StartRun, queue: RecordingQueue, ada: User
) -> None:
    run = start()

    assert (run.status, run.owner_id, run.session_id) == ("queued", ada.pk, "s-1")
    assert kinds(run) == ["run.created"]
    assert queue.jobs == [(jobs.RUN_EXECUTE, (str(run.pk),), "runs.overlay")]
    assert_replay_equals_row(run)


@pytest.mark.req("OV-36", "OV-47")
def test_the_session_keeps_the_prompt_and_its_owner(start: StartRun, ada: User) -> None:
    run = start()

    assert Session.objects.get(pk="s-1").user_id == str(ada.pk)
    message = Message.objects.get(run=run)
    assert (message.role, message.content, message.position) == ("user", "Hello", 0)


@pytest.mark.req("OV-47", "OV-S10")
def test_a_foreign_session_is_refused_and_nothing_is_written(start: StartRun, cyd: User) -> None:
    start()
    before = Session.objects.get(pk="s-1").updated_at

    with pytest.raises(SessionForbidden):
        start(owner_id=cyd.pk)

    assert Run.objects.count() == 1
    assert Message.objects.count() == 1
    assert Session.objects.get(pk="s-1").updated_at == before


@pytest.mark.req("OV-24")
def test_later_runs_of_a_session_wait_and_the_fifth_is_refused(
    start: StartRun, queue: RecordingQueue
) -> None:
    runs = [start() for _ in range(4)]

    assert [run.enqueued_at is None for run in runs] == [False, True, True, True]
    assert queue.run_ids == [runs[0].pk]
    with pytest.raises(SessionBusy):
        start()
    assert Run.objects.count() == 4


@pytest.mark.req("OV-18")
def test_it_says_whether_the_session_existed(start: StartRun) -> None:
    runs = [start(), start()]

    assert [_created(run)["session_resumed"] for run in runs] == [False, True]


@pytest.mark.req("OV-64")
def test_a_queue_that_is_down_leaves_no_run_open(start: StartRun, queue: RecordingQueue) -> None:
    queue.is_down = True

    with pytest.raises(QueueUnavailable):
        start()

    run = Run.objects.get()
    assert (run.status, run.error_code) == ("failed", "queue_unavailable")
    assert kinds(run) == ["run.created", "error", "metadata", "run.finished"]
    assert_replay_equals_row(run)


@pytest.mark.django_db(transaction=True)
@pytest.mark.req("OV-47")
def test_two_simultaneous_first_uses_of_a_session_give_it_one_owner() -> None:
    people = [User.objects.create_user(f"p{n}@example.org", "a long password") for n in range(2)]
    barrier = threading.Barrier(len(people))
    outcomes: list[object] = []

    def begin(user: User) -> None:
        new = NewRun(
            run_id=uuid7(), kind="overlay", owner_id=user.pk, session_id="shared", input={}
        )
        barrier.wait()
        try:
            outcomes.append(run_start(new).run_id)
        except SessionForbidden as error:
            outcomes.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=begin, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(isinstance(outcome, SessionForbidden) for outcome in outcomes) == 1
    run = Run.objects.get()
    assert Session.objects.get(pk="shared").user_id == str(run.owner_id)


@pytest.mark.django_db(transaction=True)
@pytest.mark.req("OV-24", "OV-18")
def test_simultaneous_prompts_in_one_session_let_exactly_one_begin(ada: User) -> None:
    barrier = threading.Barrier(4)
    waiting: list[bool] = []

    def begin() -> None:
        new = NewRun(run_id=uuid7(), kind="overlay", owner_id=ada.pk, session_id="one", input={})
        barrier.wait()
        waiting.append(run_start(new).is_waiting)
        connection.close()

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(waiting) == [False, True, True, True]
    resumed = sorted(_created(run)["session_resumed"] for run in Run.objects.all())
    assert resumed == [False, True, True, True]


def _created(run: Run) -> dict[str, object]:
    from orchestration.log.store import events_after

    return dict(events_after(run.pk, 0)[0].data)
