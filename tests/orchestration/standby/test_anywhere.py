from __future__ import annotations

from dataclasses import replace

import pytest
from redis import Redis

from orchestration.adapters.redis_standby import RedisStandby
from orchestration.standby.anywhere import cancel_anywhere, events_anywhere
from taskmapr.core import wired
from taskmapr.core.errors import AlreadyFinished, RunNotFound
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from tests.orchestration.conftest import StartRun
from tests.orchestration.standby.conftest import Begin, finish


@pytest.mark.req("OV-63")
def test_a_run_that_ended_in_redis_is_over_although_postgres_is_back(
    begin: Begin, ada: User
) -> None:
    run_id = begin().run_id
    finish(run_id)

    with pytest.raises(AlreadyFinished):
        cancel_anywhere(run_id=run_id, user_id=ada.pk, by="ada")


@pytest.mark.req("OV-63")
def test_a_stranger_is_told_of_no_run(begin: Begin, store: RedisStandby, cyd: User) -> None:
    run_id = begin().run_id
    finish(run_id)

    with pytest.raises(RunNotFound):
        cancel_anywhere(run_id=run_id, user_id=cyd.pk, by="cyd")


class Untouched(RedisStandby):
    """Is not to be asked."""

    def items(self, key: str) -> list[bytes]:
        raise AssertionError(f"{key} was asked for")


@pytest.mark.req("OV-04", "OV-64")
def test_readers_of_a_stored_run_do_not_wait_for_redis(
    ports: wired.Ports, start: StartRun, redis_url: str
) -> None:
    run = start()
    with Redis.from_url(redis_url, socket_timeout=2) as client:
        wired.wire(replace(wired.ports(), standby=Untouched(client)))

        assert [event.kind for event in events_anywhere(run.pk, 0, None)] == ["run.created"]
        assert events_anywhere(run.pk, 1, None) == []


@pytest.mark.req("OV-63")
def test_readers_find_what_lies_in_redis_although_postgres_is_back(begin: Begin) -> None:
    run_id = begin().run_id
    finish(run_id)

    assert events_anywhere(run_id, 1, None)[-1].kind == "run.finished"
    assert events_anywhere(uuid7(), 0, None) == []
