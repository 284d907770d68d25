"""Requests that come twice while Postgres is away."""

from __future__ import annotations

import threading
from uuid import UUID

import pytest

from orchestration.services.idempotency import Once, RunRepeated
from taskmapr.core.errors import IdempotencyKeyReused, SessionBusy
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from tests.fakes import RecordingQueue
from tests.orchestration.standby.conftest import Begin

ONCE = Once(key="k-1", fingerprint="one")


@pytest.mark.req("OV-68", "OV-63")
def test_a_repeat_finds_the_run(begin: Begin, queue: RecordingQueue) -> None:
    run_id = begin(once=ONCE).run_id

    with pytest.raises(RunRepeated) as earlier:
        begin(once=ONCE)

    assert earlier.value.run_id == run_id
    assert queue.run_ids == [run_id]


@pytest.mark.req("OV-68", "OV-63")
def test_another_body_under_the_same_key_is_refused(begin: Begin) -> None:
    begin(once=ONCE)

    with pytest.raises(IdempotencyKeyReused):
        begin(once=Once(key="k-1", fingerprint="two"))


@pytest.mark.req("OV-68", "OV-63")
def test_keys_end_and_belong_to_their_owner(begin: Begin, cyd: User) -> None:
    over = Once(key="k-1", fingerprint="one", life_s=0)

    ids = {
        begin(once=over).run_id,
        begin(once=ONCE).run_id,
        begin(once=ONCE, owner_id=cyd.pk, session_id="s-2").run_id,
    }

    assert len(ids) == 3


@pytest.mark.req("OV-68", "OV-63")
def test_a_start_that_failed_leaves_the_key_free(begin: Begin) -> None:
    for _ in range(4):
        begin()
    with pytest.raises(SessionBusy):
        begin(once=ONCE)

    assert begin(once=ONCE, session_id="s-2").run_id


@pytest.mark.req("OV-68", "OV-63")
def test_many_at_once_begin_one_run(begin: Begin, queue: RecordingQueue) -> None:
    found: list[UUID] = []

    def ask() -> None:
        try:
            found.append(begin(once=ONCE, run_id=uuid7()).run_id)
        except RunRepeated as earlier:
            found.append(earlier.run_id)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 12
    assert set(found) == set(queue.run_ids)
    assert len(queue.run_ids) == 1
