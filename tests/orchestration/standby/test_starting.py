from __future__ import annotations

import threading

import pytest
from redis import Redis

from orchestration.adapters.redis_standby import RedisStandby
from orchestration.services.idempotency import Once, RunRepeated
from orchestration.standby.records import owner_key, setup_freeze, setup_thaw
from taskmapr.core import jobs
from taskmapr.core.errors import (
    IdempotencyKeyReused,
    QueueUnavailable,
    SessionBusy,
    SessionForbidden,
)
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from tests.fakes import RecordingQueue
from tests.orchestration.standby.conftest import SETUP, Begin, finish


@pytest.mark.req("OV-63")
def test_it_is_queued_for_workers_that_need_no_database(
    begin: Begin, queue: RecordingQueue
) -> None:
    started = begin()

    assert queue.jobs == [(jobs.RUN_EXECUTE_STANDBY, (str(started.run_id),), "runs.overlay")]
    assert started.created.data["persistence"] == "memory"
    assert "database is away" in started.created.data["warnings"][0]


@pytest.mark.req("OV-63", "OV-47")
@pytest.mark.parametrize("how", ["in Redis", "in Postgres before"])
def test_a_session_of_somebody_else_is_refused(
    begin: Begin, store: RedisStandby, ada: User, cyd: User, how: str
) -> None:
    if how == "in Redis":
        begin(owner_id=ada.pk)
    else:
        store.remember({owner_key("s-1"): str(ada.pk)})

    with pytest.raises(SessionForbidden):
        begin(owner_id=cyd.pk)


@pytest.mark.req("OV-63", "OV-24")
def test_three_wait_behind_one_and_take_their_turns(begin: Begin, queue: RecordingQueue) -> None:
    runs = [begin().run_id for _ in range(4)]

    with pytest.raises(SessionBusy):
        begin()
    assert queue.run_ids == runs[:1]
    assert finish(runs[0]) == [runs[1]]
    assert finish(runs[1]) == [runs[2]]


@pytest.mark.req("OV-63", "OV-47")
def test_simultaneous_first_uses_have_one_owner(begin: Begin, ada: User, cyd: User) -> None:
    owners: list[str] = []

    def use(user: User) -> None:
        try:
            begin(owner_id=user.pk, run_id=uuid7())
        except (SessionForbidden, SessionBusy):
            return
        owners.append(user.email)

    threads = [threading.Thread(target=use, args=(user,)) for user in (ada, cyd) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(owners) == 4
    assert len(set(owners)) == 1


@pytest.mark.req("OV-63", "OV-68")
def test_a_repeat_finds_the_run_of_the_first_request(begin: Begin, queue: RecordingQueue) -> None:
    first = begin(once=Once(key="k", fingerprint="a")).run_id

    with pytest.raises(RunRepeated) as repeated:
        begin(once=Once(key="k", fingerprint="a"))
    with pytest.raises(IdempotencyKeyReused):
        begin(once=Once(key="k", fingerprint="b"))

    assert repeated.value.run_id == first
    assert queue.run_ids == [first]


@pytest.mark.req("OV-63", "OV-68")
def test_a_request_that_was_refused_may_come_again(begin: Begin, queue: RecordingQueue) -> None:
    queue.is_down = True
    with pytest.raises(QueueUnavailable):
        begin(once=Once(key="k", fingerprint="a"))
    queue.is_down = False

    again = begin(once=Once(key="k", fingerprint="a"))

    assert queue.run_ids == [again.run_id]
    assert not again.is_waiting


@pytest.mark.req("OV-63", "VB-80")
def test_no_key_lies_in_redis_in_the_clear(begin: Begin, redis_url: str) -> None:
    begin()

    with Redis.from_url(redis_url) as client:
        kept = b"".join(
            client.get(key) or b""
            for key in client.scan_iter("tm:standby:*")
            if client.type(key) == b"string"
        )
    assert b"Hello" in kept
    assert b"sk-not-in-redis" not in kept


def test_what_a_run_was_started_with_survives_the_journey() -> None:
    thawed = setup_thaw(setup_freeze(SETUP))

    assert thawed.endpoint == SETUP.endpoint
    assert thawed.profile.tools == SETUP.profile.tools
