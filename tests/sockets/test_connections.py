"""How many sockets one credential may have open."""

from __future__ import annotations

from uuid import UUID

import pytest
import redis
from django.conf import LazySettings

from orchestration.consumers.connections import (
    LIFE_S,
    connection_leave,
    connection_take,
    connections_sign,
)
from taskmapr.core.errors import TooMany
from taskmapr.foundation.telemetry import metrics
from tests.sockets.conftest import connected

REF = "key:1"


@pytest.mark.req("TQ-39", "TQ-24")
def test_the_twenty_first_is_refused() -> None:
    for number in range(20):
        connection_take(ref=REF, socket_id=f"s{number}")
    with pytest.raises(TooMany):
        connection_take(ref=REF, socket_id="s20")
    connection_take(ref="key:2", socket_id="s20")

    connection_leave(ref=REF, socket_id="s3")
    connection_take(ref=REF, socket_id="s20")


@pytest.mark.req("TQ-39")
def test_sockets_of_a_dead_process_are_forgotten(redis_url: str) -> None:
    for number in range(20):
        connection_take(ref=REF, socket_id=f"s{number}")
    with redis.Redis.from_url(redis_url) as client:
        # As if their time had passed without another sign.
        for number in range(20):
            client.zadd(f"tm:sockets:{REF}", {f"s{number}": 1})
        assert 0 < client.ttl(f"tm:sockets:{REF}") <= LIFE_S

    connection_take(ref=REF, socket_id="s20")


@pytest.mark.req("TQ-39")
def test_signs_keep_sockets_counted_and_bring_forgotten_ones_back(
    redis_url: str, settings: LazySettings
) -> None:
    settings.TASKMAPR["sockets_per_key"] = 2
    try:
        connections_sign({"s1": REF, "s2": REF, "s3": "key:2"})
        with pytest.raises(TooMany):
            connection_take(ref=REF, socket_id="s4")
        connection_take(ref="key:2", socket_id="s5")
    finally:
        settings.TASKMAPR["sockets_per_key"] = 20


@pytest.mark.req("TQ-39")
def test_nobody_is_refused_while_redis_is_away(settings: LazySettings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1"

    connection_take(ref=REF, socket_id="s1")
    connections_sign({"s1": REF})
    connection_leave(ref=REF, socket_id="s1")


@pytest.mark.req("TQ-39", "TQ-24", "TQ-40")
@pytest.mark.django_db
async def test_a_socket_too_many_is_closed_and_one_that_left_makes_room(
    task: UUID, key: str, settings: LazySettings
) -> None:
    settings.TASKMAPR["sockets_per_key"] = 1
    counted = metrics.figures().rate_limited._value.get()
    try:
        async with connected(f"/ws/task/{task}", x_api_key=key) as first:
            await first.hear()
            async with connected(f"/ws/task/{task}", x_api_key=key) as second:
                assert await second.closed() == 4429
        assert metrics.figures().rate_limited._value.get() == counted + 1
        async with connected(f"/ws/task/{task}", x_api_key=key) as third:
            assert (await third.hear())["type"] == "snapshot"
    finally:
        settings.TASKMAPR["sockets_per_key"] = 20
