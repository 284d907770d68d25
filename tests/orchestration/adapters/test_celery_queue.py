"""Jobs on the queue: what Celery's workers find there."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from celery import Celery
from redis import Redis

from orchestration.adapters.celery_queue import CeleryQueue
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
