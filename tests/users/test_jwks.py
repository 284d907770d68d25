"""The provider's keys: fetched once, kept, rotated, shared, and what happens when they are away."""

import dataclasses
import logging
import threading

import pytest
import redis
from django.test import Client

from taskmapr.core.errors import AuthUnavailable
from taskmapr.users.jwks import FRESH_S, RETRY_EMPTY_S, RETRY_S, STALE_S, Jwks, jwks
from taskmapr.users.jwks_fetch import BYTES_MAX
from taskmapr.users.public_keys import keys_of
from tests.users.conftest import SHARED_SECRET
from tests.users.identity_provider import Key

ME = "/api/v1/auth/me"


class Clock:
    now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def process(provider, settings, clock):
    """process() → the keys as a further process knows them."""
    return lambda **changes: Jwks(
        dataclasses.replace(settings.EXTERNAL_SIGN_IN, **changes), clock=clock
    )


@pytest.fixture
def alone(settings):
    """Without Redis, so without other processes."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"


def rotated(provider):
    fresh = Key("rsa-2")
    provider.keys = [fresh.listed()]
    return fresh


@pytest.mark.req("OV-53")
def test_keys_are_fetched_once_for_ten_minutes(provider, process, clock):
    here = process()
    for _ in range(5):
        assert here.key("rsa-1", "RS256").kid == "rsa-1"
    assert len(provider.asked) == 1
    clock.now += FRESH_S - 1
    here.key("rsa-1", "RS256")
    assert len(provider.asked) == 1
    clock.now += 2
    here.key("rsa-1", "RS256")
    assert len(provider.asked) == 2


@pytest.mark.req("OV-53")
def test_the_gateway_gets_its_key_as_both_headers(provider, process):
    process(api_key="service-key").key("rsa-1", "RS256")
    path, headers = provider.asked[0]
    assert path == "/auth/v1/.well-known/jwks.json"
    assert (headers["apikey"], headers["authorization"]) == ("service-key", "Bearer service-key")
    provider.asked.clear()
    process().fetch()
    assert not {"apikey", "authorization"} & set(provider.asked[0][1])


@pytest.mark.req("OV-53")
def test_the_older_address_is_tried_when_the_newer_has_no_keys(provider, process):
    provider.missing_paths = {"/auth/v1/.well-known/jwks.json"}
    assert process().key("rsa-1", "RS256")
    paths = [path for path, _ in provider.asked]
    assert paths == ["/auth/v1/.well-known/jwks.json", "/auth/v1/jwks"]


@pytest.mark.req("OV-53")
def test_a_rotated_key_is_found_by_one_refetch(provider, process):
    here = process()
    here.key("rsa-1", "RS256")
    rotated(provider)
    assert here.key("rsa-2", "RS256").kid == "rsa-2"
    assert len(provider.asked) == 2
    assert here.key("rsa-1", "RS256") is None


@pytest.mark.req("OV-53")
@pytest.mark.usefixtures("alone")
def test_unknown_keys_cost_one_refetch_a_minute_without_redis(provider, process):
    here = process()
    for n in range(20):
        assert here.key(f"unknown-{n}", "RS256") is None
    assert len(provider.asked) == 2


@pytest.mark.req("OV-53")
def test_unknown_keys_cost_one_refetch_a_minute_for_all_processes(provider, process, redis_url):
    one, two = process(), process()
    for n in range(10):
        assert one.key(f"unknown-{n}", "RS256") is None
        assert two.key(f"unknown-{n}", "RS256") is None
    assert len(provider.asked) == 2
    with redis.Redis.from_url(redis_url) as client:
        (mark,) = client.keys("taskmapr:jwks-looked:*")
        assert 50 < client.ttl(mark) <= 60
        client.delete(mark)  # a minute later
    one.key("unknown", "RS256")
    assert len(provider.asked) == 3


@pytest.mark.req("OV-53")
def test_what_one_process_fetched_the_others_adopt(provider, process, clock):
    process().key("rsa-1", "RS256")
    other = process()
    assert other.key("rsa-1", "RS256")
    assert len(provider.asked) == 1
    rotated(provider)
    clock.now += 1
    process().key("rsa-2", "RS256")
    assert len(provider.asked) == 2
    assert other.key("rsa-2", "RS256")
    assert len(provider.asked) == 2


@pytest.mark.req("OV-53")
def test_keys_that_somebody_wrote_to_redis_are_not_trusted(provider, process, redis_url):
    process().key("rsa-1", "RS256")
    with redis.Redis.from_url(redis_url) as client:
        (name,) = client.keys("taskmapr:jwks:*")
        client.set(name, client.get(name)[:-2] + b"xx")
    assert process().key("rsa-1", "RS256")
    assert len(provider.asked) == 2


@pytest.mark.req("OV-54", "OV-S9")
@pytest.mark.django_db
def test_a_provider_that_is_away_and_unknown_keys_make_503(provider):
    token = provider.token()
    provider.stop()
    response = Client().get(ME, headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["code"]) == (503, "auth_unavailable")
    assert response.headers["Retry-After"] == "5"
    shared = provider.token(SHARED_SECRET, alg="HS256")
    assert Client().get(ME, headers={"Authorization": f"Bearer {shared}"}).status_code == 200


@pytest.mark.req("OV-54")
@pytest.mark.usefixtures("alone")
def test_known_keys_are_used_for_a_day_while_it_is_away(provider, process, clock, caplog):
    here = process()
    here.key("rsa-1", "RS256")
    provider.stop()
    clock.now += FRESH_S + 1
    with caplog.at_level(logging.WARNING):
        assert here.key("rsa-1", "RS256")
    assert "cannot be fetched" in caplog.text
    assert here.state.failure == "ConnectError; ConnectError"
    clock.now += STALE_S
    with pytest.raises(AuthUnavailable):
        here.key("rsa-1", "RS256")


@pytest.mark.req("OV-54")
def test_a_process_that_starts_while_it_is_away_uses_what_others_left(provider, process, clock):
    process().key("rsa-1", "RS256")
    provider.stop()
    clock.now += FRESH_S + 1
    late = process()
    assert late.key("rsa-1", "RS256")
    assert late.key("rsa-1", "RS256")
    clock.now += STALE_S
    with pytest.raises(AuthUnavailable):
        process().key("rsa-1", "RS256")


@pytest.mark.req("OV-54")
@pytest.mark.usefixtures("alone")
def test_it_is_not_asked_at_every_request_while_it_fails(provider, process, clock):
    provider.status = 500
    here = process()
    for _ in range(3):
        with pytest.raises(AuthUnavailable):
            here.key("rsa-1", "RS256")
    assert len(provider.asked) == 2  # two addresses, once
    provider.status = 200
    clock.now += RETRY_EMPTY_S
    assert here.key("rsa-1", "RS256")
    provider.status = 500
    clock.now += FRESH_S
    provider.asked.clear()
    for _ in range(3):
        assert here.key("rsa-1", "RS256")
    assert len(provider.asked) == 2
    clock.now += RETRY_S
    provider.status = 200
    assert here.key("rsa-1", "RS256")
    assert here.state.failure == ""


@pytest.mark.req("OV-53")
@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b"{}", b'{"keys":{}}', b"null", b"{" + b" " * BYTES_MAX + b"}"],
)
@pytest.mark.usefixtures("alone")
def test_what_is_no_key_set_is_no_answer(provider, process, body):
    provider.body = body
    with pytest.raises(AuthUnavailable):
        process().key("rsa-1", "RS256")


@pytest.mark.req("OV-53")
@pytest.mark.usefixtures("alone")
def test_a_redirect_is_not_followed(provider, process):
    provider.status = 302
    with pytest.raises(AuthUnavailable):
        process(api_key="service-key").key("rsa-1", "RS256")


@pytest.mark.req("OV-54")
@pytest.mark.usefixtures("alone")
def test_whoever_has_keys_does_not_wait_for_anothers_fetch(provider, process, clock):
    here = process()
    here.key("rsa-1", "RS256")
    provider.is_held.clear()
    clock.now += FRESH_S + 1
    slow = threading.Thread(target=lambda: here.key("rsa-1", "RS256"))
    slow.start()
    while len(provider.asked) < 2:
        slow.join(0.01)
    assert here.key("rsa-1", "RS256")
    assert slow.is_alive()
    provider.is_held.set()
    slow.join(10)
    assert len(provider.asked) == 2


@pytest.mark.req("OV-53")
@pytest.mark.usefixtures("alone")
def test_many_first_questions_make_one_fetch(provider, process):
    here, found = process(), []
    threads = [
        threading.Thread(target=lambda: found.append(here.key("rsa-1", "RS256"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert all(found)
    assert len(provider.asked) == 1


@pytest.mark.req("OV-53")
def test_unusable_keys_are_left_out_and_the_others_kept(provider):
    import orjson

    good, short = Key("good"), Key("short", bits=1024)
    private = {**Key("private").listed(), "d": "AQAB"}
    listed = [
        good.listed(),
        short.listed(),
        private,
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        Key("enc").listed(use="enc"),
        Key("wrap").listed(key_ops=["wrapKey"]),
        {"kid": "nothing"},
        "no key",
        None,
    ]
    assert [key.kid for key in keys_of(orjson.dumps({"keys": listed}))] == ["good"]


@pytest.mark.req("OV-53")
@pytest.mark.django_db
def test_a_token_without_a_key_id_takes_the_only_key_that_fits(provider):
    nameless = Key(None)
    nameless.private = provider.rsa.private
    assert jwks().key(None, "RS256").kid == "rsa-1"
    provider.keys.append(Key("rsa-9").listed())
    jwks().fetch()
    assert jwks().key(None, "RS256") is None
    assert jwks().key(None, "ES256").kid == "ec-1"
