"""Jobs on the queue: what Celery's workers find there."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from celery import Celery
from redis import Redis

from orchestration.adapters.celery_queue import CeleryQueue, list_names
from taskmapr.core.errors import QueueUnavailable
from taskmapr.settings.services import celery_broker_url

QUEUE = "tests.jobs"
#: Differ from message to message, or name the sender.
VARYING = {"id", "root_id", "origin", "correlation_id", "reply_to", "delivery_tag"}


@pytest.fixture
def client(redis_url: str) -> Redis:
    return Redis.from_url(redis_url)


@pytest.fixture
def app(redis_url: str) -> Celery:
    return Celery("tests", broker=celery_broker_url(redis_url))


def _message(client: Redis) -> dict[str, Any]:
    raw: Any = client.rpop(QUEUE)
    message: dict[str, Any] = orjson.loads(raw)
    for part in (message["headers"], message["properties"]):
        for name in VARYING & part.keys():
            part[name] = "..."
    return message


def test_is_what_celery_itself_would_have_sent(client: Redis, app: Celery) -> None:
    app.send_task("runs.execute", args=("one",), queue=QUEUE, ignore_result=True)
    theirs = _message(client)

    CeleryQueue(client).enqueue("runs.execute", "one", queue=QUEUE)

    ours = _message(client)
    for message in (ours, theirs):
        del message["body"]  # the same JSON with other spaces; read below
    assert ours == theirs


def test_is_taken_by_a_consumer(client: Redis, app: Celery) -> None:
    CeleryQueue(client).enqueue("runs.execute", "one", queue=QUEUE)

    with app.connection_for_read() as connection:
        found = connection.SimpleQueue(QUEUE).get(timeout=5)
        found.ack()

    assert found.headers["task"] == "runs.execute"
    assert found.payload[:2] == [["one"], {}]


def test_says_so_when_redis_is_away() -> None:
    away = CeleryQueue(Redis.from_url("unix:///nowhere/redis.sock"))

    with pytest.raises(QueueUnavailable):
        away.enqueue("runs.execute", "one", queue=QUEUE)


@pytest.fixture
def queue(client: Redis) -> CeleryQueue:
    client.delete(*list_names(QUEUE))
    return CeleryQueue(client)


@pytest.mark.req("TQ-06")
def test_greater_priorities_are_taken_first_and_equals_in_their_order(queue: CeleryQueue) -> None:
    for number, priority in enumerate((5, 0, 9, 5, 3, 8)):
        queue.enqueue("job", number, queue=QUEUE, priority=priority)

    assert queue.take("job", queue=QUEUE, most=4) == [[2], [5], [0], [3]]
    assert queue.take("job", queue=QUEUE, most=4) == [[4], [1]]
    assert queue.take("job", queue=QUEUE, most=4) == []


@pytest.mark.req("TQ-06")
def test_a_worker_of_celery_finds_every_priority(
    queue: CeleryQueue, client: Redis, app: Celery
) -> None:
    for priority in (0, 9, 4, 6):
        queue.enqueue("job", priority, queue=QUEUE, priority=priority)
    found: list[int] = []

    with app.connection() as connection, connection.SimpleQueue(QUEUE) as simple:
        for _ in range(4):
            message = simple.get(timeout=5)
            found.append(message.decode()[0][0])
            message.ack()

    assert found == [9, 6, 4, 0]


def test_what_is_not_asked_for_stays_with_all_behind_it(
    queue: CeleryQueue, client: Redis, app: Celery
) -> None:
    queue.enqueue("job", 1, queue=QUEUE)
    app.send_task("job", [2], queue=QUEUE)  # as somebody else would write it
    queue.enqueue("job", 3, queue=QUEUE)

    assert queue.take("job", queue=QUEUE, most=9) == [[1]]
    assert queue.take("other", queue=QUEUE, most=9) == []
    assert client.llen(QUEUE) == 2


def test_nothing_is_taken_while_redis_is_away() -> None:
    away = CeleryQueue(Redis.from_url("redis://127.0.0.1:1"))
    assert away.take("job", queue=QUEUE, most=9) == []
