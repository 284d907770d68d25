"""Limits on how often one may post, with a real Redis."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import redis
from django.test import AsyncClient, Client, RequestFactory
from redis.connection import AbstractConnection

from taskmapr.foundation import allowances
from taskmapr.foundation.allowances import Standing, Window, allowance_take
from taskmapr.foundation.telemetry.outages import Outage
from taskmapr.foundation.throttling import client_network
from taskmapr.stack.redis import EmbeddedRedis
from taskmapr.users.models import User
from taskmapr.users.tokens import access_token_make

ECHO = "/api/v1/auth/logout"  # any POST route of a principal: the body does not matter here


@pytest.fixture
def limited(settings: Any, redis_url: str) -> Any:
    """limited(principal=2, address=2) sets the limits, 0 means none."""

    def limit(principal: int = 0, address: int = 0, proxies: int = 0) -> None:
        settings.TASKMAPR = {
            **settings.TASKMAPR,
            "rate_limit_per_minute": principal,
            "rate_limit_address_per_minute": address,
            "trusted_proxies": proxies,
        }

    return limit


def as_user(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {access_token_make(user.pk).text}"}


def post(headers: dict[str, str], path: str = ECHO) -> Any:
    return Client().post(path, {}, content_type="application/json", headers=headers)


@pytest.mark.req("OV-57")
def test_the_request_after_the_last_allowed_one_is_429(
    limited: Any, ada: User, as_ada: dict[str, str]
) -> None:
    limited(principal=3)

    answers = [post(as_ada) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [422, 422, 422, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"3"}
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {"3;w=60"}
    refused = answers[-1]
    assert refused.json()["code"] == "rate_limited"
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    assert refused.headers["RateLimit-Reset"] == refused.headers["Retry-After"]


@pytest.mark.req("OV-57")
def test_each_principal_has_an_allowance_of_its_own(
    limited: Any, ada: User, as_ada: dict[str, str]
) -> None:
    cyd = User.objects.create_user("cyd@example.org", "a long password")
    limited(principal=1)
    post(as_ada)

    assert post(as_ada).status_code == 429
    assert post(as_user(cyd)).status_code == 422


@pytest.mark.req("OV-57")
def test_reading_is_not_counted(limited: Any, as_ada: dict[str, str]) -> None:
    limited(principal=1)

    answers = [Client().get("/api/v1/auth/me", headers=as_ada) for _ in range(3)]

    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit-Limit" not in answers[0].headers


@pytest.mark.req("OV-57")
def test_without_a_principal_the_address_is_counted(limited: Any, db: None) -> None:
    limited(principal=100, address=2)

    answers = [post({}, "/api/v1/auth/login") for _ in range(3)]
    elsewhere = Client(REMOTE_ADDR="192.0.2.7").post(
        "/api/v1/auth/login", {}, content_type="application/json"
    )

    assert [answer.status_code for answer in answers] == [422, 422, 429]
    assert elsewhere.status_code == 422
    assert elsewhere.headers["RateLimit-Limit"] == "2"


@pytest.mark.req("OV-57")
@pytest.mark.urls("tests.foundation.failing_urls")
async def test_a_stream_tells_what_is_left(limited: Any, as_ada: dict[str, str]) -> None:
    limited(principal=1)
    ask: dict[str, Any] = {"content_type": "application/json", "headers": as_ada}

    first = await AsyncClient().post("/api/streams", {"word": "a"}, **ask)
    body = b"".join([chunk async for chunk in first.streaming_content])
    second = await AsyncClient().post("/api/streams", {"word": "b"}, **ask)

    assert (first.status_code, body) == (200, b"ada@example.org said a")
    assert first.headers["RateLimit-Remaining"] == "0"
    assert (second.status_code, second.json()["code"]) == (429, "rate_limited")
    assert "Retry-After" in second.headers


@pytest.mark.req("OV-57")
def test_no_limit_means_no_count_and_no_redis(
    settings: Any, limited: Any, as_ada: dict[str, str]
) -> None:
    limited(principal=0)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    answer = post(as_ada)

    assert answer.status_code == 422
    assert "RateLimit-Limit" not in answer.headers


@pytest.mark.req("OV-57", "OV-64")
def test_while_redis_is_away_nobody_is_refused_and_one_line_says_so(
    settings: Any,
    limited: Any,
    as_ada: dict[str, str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(allowances, "_outage", allowances._Outage())
    monkeypatch.setattr(allowances, "PAUSE_S", 0.0)
    told = Outage("Redis cannot be reached", impact="Something.", action="Going on.")
    monkeypatch.setattr(allowances, "REDIS", told)
    limited(principal=1)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    with caplog.at_level(logging.WARNING):
        answers = [post(as_ada) for _ in range(3)]

    assert {answer.status_code for answer in answers} == {422}
    assert len([r for r in caplog.records if "Redis cannot be reached" in r.getMessage()]) == 1


def test_a_redis_that_failed_is_left_alone_for_a_while(
    settings: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowances, "_outage", allowances._Outage())
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert allowance_take("user:1", 1) is None
    settings.REDIS_URL = redis_url

    assert allowance_take("user:1", 1) is None

    monkeypatch.setattr(allowances, "_outage", allowances._Outage())
    assert allowance_take("user:1", 1) is not None


# Counting ---------------------------------------------------------------------------------------


def test_counters_vanish_by_themselves(redis_url: str) -> None:
    allowance_take("user:1", 5)

    with redis.Redis.from_url(redis_url) as client:
        keys = client.keys("*tm:rate*")
        assert len(keys) == 1
        assert 0 < client.pttl(keys[0]) <= 2 * 60_000


def test_one_visit_counts_and_tells(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    allowance_take("user:1", 5)
    visits: list[Any] = []
    send = AbstractConnection.send_packed_command

    def counted(self: Any, command: Any, *args: Any, **kwargs: Any) -> None:
        visits.append(command)
        send(self, command, *args, **kwargs)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
    standing = allowance_take("user:1", 5)

    assert standing == Standing(limit=5, is_allowed=True, remaining=3, reset_s=standing.reset_s)
    assert 59 <= standing.reset_s <= 60
    assert len(visits) == 1


@pytest.fixture
def own_redis(settings: Any) -> Iterator[EmbeddedRedis]:
    """A server of this test's own, for what would disturb others."""
    with TemporaryDirectory(prefix="taskmapr-") as place:
        server = EmbeddedRedis(Path(place))
        server.start()
        settings.REDIS_URL = server.url
        yield server
        server.stop()


def test_a_redis_that_forgot_the_scripts_is_told_again(own_redis: EmbeddedRedis) -> None:
    allowance_take("user:1", 5)
    with redis.Redis.from_url(own_redis.url) as client:
        client.script_flush()

    standing = allowance_take("user:1", 5)

    assert standing is not None
    assert standing.remaining == 3


@pytest.mark.req("OV-57")
@pytest.mark.parametrize(
    ("window", "limit", "wait_s"),
    [
        # Ten in this window, which lasts 20 s more: then nine of them are left after 6 s.
        (Window(previous=0, previous_ends_s=0, current=10, current_ends_s=80), 10, 21),
        (Window(previous=0, previous_ends_s=0, current=20, current_ends_s=80), 10, 51),
        # Ten a minute ago weigh 5 now, five are new: a little later there is room for one.
        (Window(previous=10, previous_ends_s=30, current=5, current_ends_s=90), 10, 1),
        (Window(previous=10, previous_ends_s=30, current=8, current_ends_s=90), 10, 19),
    ],
)
def test_who_is_refused_is_told_when_there_will_be_room(
    window: Window, limit: int, wait_s: int
) -> None:
    standing = window.standing(limit, is_allowed=False)

    assert (standing.remaining, standing.reset_s) == (0, wait_s)


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "network"),
    [
        ("192.0.2.1", "", 0, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.9", 0, "192.0.2.1"),
        ("10.0.0.1", "203.0.113.5, 198.51.100.9", 1, "198.51.100.9"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.9, 10.0.0.2", 2, "198.51.100.9"),
        ("10.0.0.1", "198.51.100.9", 2, "10.0.0.1"),
        ("10.0.0.1", "nonsense", 1, "unknown"),
        ("2001:db8:1:2:3:4:5:6", "", 0, "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "", 0, "192.0.2.1"),
        ("", "", 0, "unknown"),
    ],
)
def test_who_asks_is_the_peer_or_what_trusted_proxies_saw(
    limited: Any, peer: str, forwarded: str, proxies: int, network: str
) -> None:
    limited(proxies=proxies)
    request = RequestFactory().get("/", REMOTE_ADDR=peer)
    if forwarded:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded

    assert client_network(request) == network
