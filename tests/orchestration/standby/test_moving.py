from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis

from orchestration.adapters.redis_standby import RedisStandby
from orchestration.models import Message, Run, Session
from orchestration.services.run_start import NewRun, run_start
from orchestration.standby.moving import standby_session_move
from orchestration.standby.records import SESSIONS, run_key, session_key
from orchestration.standby.upkeep import standby_look_after
from taskmapr.core import wired
from taskmapr.core.ids import uuid7
from taskmapr.users.models import User
from tests.orchestration.conftest import StartRun
from tests.orchestration.logs import assert_replay_equals_row, kinds
from tests.orchestration.standby.conftest import Begin, claimed, finish

pytestmark = pytest.mark.req("OV-63")


def test_an_ended_session_becomes_rows(begin: Begin, store: RedisStandby, ada: User) -> None:
    run_id = begin().run_id
    finish(run_id, "Hi.")

    standby_look_after()

    run = Run.objects.get(pk=run_id)
    assert (run.status, run.owner_id, run.session_id) == ("succeeded", ada.pk, "s-1")
    assert (kinds(run)[0], kinds(run)[-1]) == ("run.created", "run.finished")
    assert_replay_equals_row(run)
    assert list(Message.objects.values_list("role", "content")) == [
        ("user", "Hello"),
        ("assistant", "Hi."),
    ]
    assert store.read(session_key("s-1")) is None
    assert store.read(run_key(run_id)) is None
    assert store.marked(SESSIONS) == set()


def test_what_is_under_way_stays(begin: Begin, store: RedisStandby) -> None:
    finish(begin().run_id)
    claimed(begin().run_id)

    assert standby_session_move("s-1") == 0

    assert not Run.objects.exists()
    assert store.marked(SESSIONS) == {"s-1"}


def test_a_move_that_was_interrupted_is_repeated(begin: Begin, store: RedisStandby) -> None:
    finish(begin().run_id)
    kept = store.read(session_key("s-1"))
    records = {run_id: store.read(run_key(run_id)) for run_id in kept["runs"]}  # type: ignore[index]
    assert standby_session_move("s-1") == 1
    store.update(session_key("s-1"), lambda _: (kept, None))
    for run_id, record in records.items():
        store.update(run_key(run_id), lambda _, record=record: (record, None))

    assert standby_session_move("s-1") == 0

    assert Run.objects.count() == 1
    assert Message.objects.count() == 2


class BusyStandby(RedisStandby):
    """Another process acts in the moment before something is done, once."""

    before: str = ""

    def act(self) -> None:
        """What it does."""

    def update(self, key: str, *args: Any, **kwargs: Any) -> Any:
        self._perhaps(f"update {key}")
        return super().update(key, *args, **kwargs)

    def unmark(self, key: str, member: str) -> None:
        self._perhaps("unmark")
        super().unmark(key, member)

    def _perhaps(self, what: str) -> None:
        if self.before == what:
            self.before = ""
            self.act()


@pytest.fixture
def busy(store: RedisStandby, redis_url: str) -> Iterator[BusyStandby]:
    with Redis.from_url(redis_url, socket_timeout=2) as client:
        busy = BusyStandby(client)
        wired.wire(replace(wired.ports(), standby=busy))
        yield busy


def test_a_session_that_begins_while_marks_are_cleared_is_moved(
    begin: Begin, busy: BusyStandby, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(busy, "act", lambda: standby_session_move("s-1"))
    busy.before = f"update {session_key('s-1')}"

    begin()

    assert busy.marked(SESSIONS) == {"s-1"}


def test_a_session_that_begins_anew_while_it_is_moved_is_moved_again(
    begin: Begin, busy: BusyStandby, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(begin().run_id)
    monkeypatch.setattr(busy, "act", begin)
    busy.before = "unmark"

    assert standby_session_move("s-1") == 1

    assert busy.marked(SESSIONS) == {"s-1"}


def test_runs_that_redis_has_forgotten_do_not_keep_the_others(
    begin: Begin, store: RedisStandby
) -> None:
    first, second = begin().run_id, begin().run_id
    finish(first)
    finish(second)
    store.forget(run_key(first))  # its day was over

    assert standby_session_move("s-1") == 1

    assert Run.objects.get().pk == second
    assert set(Message.objects.values_list("run_id", flat=True)) == {second}


def test_a_session_of_that_name_goes_on(begin: Begin, start: StartRun) -> None:
    start()
    run_id = begin().run_id
    finish(run_id)

    standby_session_move("s-1")

    assert Run.objects.filter(session_id="s-1").count() == 2


def test_somebody_elses_session_of_that_name_is_left_alone(
    begin: Begin, cyd: User, ada: User
) -> None:
    foreign = NewRun(
        run_id=uuid7(), kind="overlay", owner_id=cyd.pk, session_id="s-1", input={}, prompt="Mine"
    )
    run_id = begin().run_id
    finish(run_id)
    run_start(foreign)

    standby_session_move("s-1")

    moved = Run.objects.get(pk=run_id).session_id
    assert moved is not None
    assert moved.startswith("s-1-")
    assert Session.objects.get(pk=moved).user_id == str(ada.pk)
    assert list(Message.objects.filter(session_id="s-1").values_list("content", flat=True)) == [
        "Mine"
    ]


def test_a_start_whose_commit_was_not_heard_of_gives_way(begin: Begin, start: StartRun) -> None:
    run_id = uuid7()
    start(run_id=run_id, prompt="Hello")
    begin(run_id=run_id)
    finish(run_id)

    standby_session_move("s-1")

    assert Run.objects.get(pk=run_id).status == "succeeded"
    assert Message.objects.filter(run_id=run_id).count() == 2


def test_a_deleted_users_session_is_forgotten(begin: Begin, store: RedisStandby, ada: User) -> None:
    finish(begin().run_id)
    ada.delete()

    assert standby_session_move("s-1") == 0

    assert store.read(session_key("s-1")) is None
    assert not Session.objects.exists()


def test_times_are_those_of_the_run(begin: Begin) -> None:
    before = datetime.now(UTC)
    run_id = begin().run_id
    finish(run_id)
    standby_session_move("s-1")

    run = Run.objects.get(pk=run_id)
    assert before <= run.created_at <= run.finished_at <= datetime.now(UTC)  # type: ignore[operator]
