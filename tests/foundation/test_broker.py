"""kombu's Redis transport, when it closes a connection that is already lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery
from kombu import Connection, Queue
from redis import Redis

from taskmapr.foundation.broker import Transport, transport_install
from taskmapr.settings.services import celery_broker_url

QUEUE = "tests.broker"


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    transport_install()
    with Celery("tests", broker=celery_broker_url(redis_url)).connection_for_read() as connection:
        yield connection


def _take_one(connection: Connection) -> None:
    """A message of the queue, not acknowledged."""
    channel = connection.default_channel
    bound = Queue(QUEUE)(channel)
    bound.declare()
    connection.Producer(channel).publish({"n": 1}, routing_key=QUEUE)
    assert bound.get() is not None


@pytest.mark.req("OV-64")
def test_a_worker_closes_what_is_already_lost_and_goes_on(
    connection: Connection, redis_url: str
) -> None:
    assert isinstance(connection.transport, Transport)
    _take_one(connection)
    connection.transport.client = None  # kombu let go of it when it tried to come back

    connection.close()

    client = Redis.from_url(redis_url)
    assert client.llen(QUEUE) == 0
    assert client.hlen("unacked") == 1  # nothing is lost: it waits for its time


@pytest.mark.req("OV-64")
def test_a_channel_without_its_transport_has_nothing_to_put_back(connection: Connection) -> None:
    _take_one(connection)
    channel = connection.default_channel
    transport, channel.connection = channel.connection, None

    channel.qos.restore_unacked_once()

    channel.connection = transport


@pytest.mark.req("OV-64")
def test_what_a_channel_without_its_connection_is_asked_is_a_lost_connection(
    connection: Connection,
) -> None:
    _take_one(connection)
    channel = connection.default_channel
    (tag,) = channel.qos._delivered
    transport, channel.connection = channel.connection, None
    channel._pool = None

    with pytest.raises(connection.connection_errors):
        channel.qos.ack(tag)

    channel.connection = transport


@pytest.mark.req("TQ-19")
def test_one_that_ends_in_peace_puts_its_messages_back(
    connection: Connection, redis_url: str
) -> None:
    _take_one(connection)

    connection.close()

    client = Redis.from_url(redis_url)
    assert client.llen(QUEUE) == 1
    assert client.hlen("unacked") == 0
