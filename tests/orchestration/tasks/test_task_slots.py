from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestration.adapters.redis_slots import RedisSlots
from orchestration.models import Run
from orchestration.selectors.task_types import catalogues
from orchestration.services.leases import Claim
from orchestration.services.task_slots import admit, leave, task_limits
from taskmapr.core import wired
from taskmapr.core.errors import QueueUnavailable
from taskmapr.core.ports import Places
from taskmapr.core.task_types import TaskContext, TaskType
from tests.fakes import RecordingQueue
from tests.modelserver.process import wait_until
from tests.orchestration.conftest import StartRun

Hold = Callable[[UUID], Claim]


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def slots(redis: Redis, ports: wired.Ports) -> RedisSlots:
    made = RedisSlots(redis)
    wired.wire(replace(ports, slots=made))
    return made


def work(params: dict[str, Any], ctx: TaskContext) -> None: ...


@pytest.fixture
def task(
    start: StartRun, hold: Hold, of_type: Callable[..., TaskType]
) -> Iterator[Callable[..., Claim]]:
    """task() → the claim of one more task of a type that may be under way once."""
    of_type(work, concurrency=1)
    catalogues.forget()

    def begin(**changes: Any) -> Claim:
        run = start(kind="task", subject="trial", session_id=None, prompt="", **changes)
        return hold(run.pk)

    yield begin
    catalogues.forget()


@pytest.mark.req("TQ-18")
def test_what_is_too_much_waits_as_assigned(slots: RedisSlots, task: Callable[..., Claim]) -> None:
    first, second = task(), task()

    assert admit([first, second]) == [first]

    waiting = Run.objects.get(pk=second.run_id)
    assert (waiting.status, waiting.attempt, waiting.lease_owner) == ("queued", 0, "")
    assert (waiting.started_at, waiting.deadline_at, waiting.enqueued_at) == (None, None, None)
    assert waiting.due_at is not None


@pytest.mark.req("TQ-18")
def test_the_first_in_line_comes_next(
    slots: RedisSlots, task: Callable[..., Claim], queue: RecordingQueue, hold: Hold
) -> None:
    first, second, third = task(), task(), task()
    assert admit([first, second, third]) == [first]
    queue.jobs.clear()

    leave([first])

    assert queue.run_ids == [second.run_id]
    again = hold(second.run_id)
    assert admit([again]) == [again]


@pytest.mark.req("TQ-18")
def test_each_key_has_its_number(
    slots: RedisSlots, task: Callable[..., Claim], settings: Any, of_type: Any
) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "tasks_per_key": 1}
    of_type(work, name="trial.other")
    catalogues.forget()
    claims = [
        task(credential="key:1"),
        replace(task(credential="key:1"), subject="trial.other"),
        replace(task(credential="key:2"), subject="trial.other"),
    ]

    assert admit(claims) == [claims[0], claims[2]]


@pytest.mark.req("TQ-18")
def test_without_a_limit_keys_are_not_counted(task: Callable[..., Claim], settings: Any) -> None:
    settings.TASKMAPR = {**settings.TASKMAPR, "tasks_per_key": 0}

    assert task_limits(task(credential="key:one")) == {"type:trial": 1}


def test_without_redis_tasks_are_not_counted(
    ports: wired.Ports, task: Callable[..., Claim]
) -> None:
    nobody = Redis(
        host="127.0.0.1", port=1, socket_connect_timeout=0.1, retry=Retry(NoBackoff(), 1)
    )
    away = RedisSlots(nobody)
    wired.wire(replace(ports, slots=away))

    claim = task()
    assert admit([claim]) == [claim]
    with pytest.raises(QueueUnavailable):
        away.take([Places(uuid4(), {"a": 1})], 1)


@pytest.mark.req("TQ-18")
def test_places_of_the_lost_lapse(slots: RedisSlots) -> None:
    lost, waiting = uuid4(), uuid4()
    assert slots.take([Places(lost, {"a": 1})], 0.5) == [0]
    assert slots.take([Places(waiting, {"a": 1})], 10) == [1]

    wait_until(lambda: slots.take([Places(waiting, {"a": 1})], 10) == [0], timeout_s=10)


def test_a_renewed_place_holds(slots: RedisSlots, redis: Redis) -> None:
    holder = uuid4()
    slots.take([Places(holder, {"a": 1})], 10)
    before = redis.zscore("tm:slots:a", str(holder))

    slots.renew([Places(holder, {"a": 1, "b": 1})], 40)

    after = redis.zscore("tm:slots:a", str(holder))
    assert isinstance(before, float)
    assert isinstance(after, float)
    assert after > before + 20_000
    assert redis.zscore("tm:slots:b", str(holder)) is None


def test_all_places_or_none(slots: RedisSlots, redis: Redis) -> None:
    slots.take([Places(uuid4(), {"b": 1})], 10)

    assert slots.take([Places(uuid4(), {"a": 1, "b": 1})], 10) == [1]
    assert redis.zcard("tm:slots:a") == 0
