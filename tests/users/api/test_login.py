import time

import pytest
from redis import Redis

from taskmapr.settings import web
from taskmapr.users.models import RefreshToken, User
from taskmapr.users.services.accounts import user_deactivate

WRONG = {"code": "invalid_credentials", "status": 401}


def _said(response):
    return {"code": response.json()["code"], "status": response.status_code}


@pytest.mark.req("VB-03")
def test_the_right_password_signs_in(call, credentials):
    response = call("POST", "login", credentials)
    assert response.status_code == 200
    assert call("GET", "me", token=response.json()["access_token"]).status_code == 200


def test_the_address_may_be_spelled_in_capitals(call, credentials):
    assert call("POST", "login", {**credentials, "email": "ADA@example.ORG"}).status_code == 200


@pytest.mark.req("VB-03")
def test_unknown_address_wrong_password_and_closed_account_answer_alike(call, credentials, ada):
    wrong = call("POST", "login", {**credentials, "password": "something else"})
    unknown = call("POST", "login", {**credentials, "email": "who@example.org"})
    user_deactivate(user_id=ada.pk)
    closed = call("POST", "login", credentials)
    assert _said(wrong) == _said(unknown) == _said(closed) == WRONG
    assert wrong.json()["detail"] == unknown.json()["detail"] == closed.json()["detail"]
    assert wrong.headers["WWW-Authenticate"] == "Bearer"
    assert RefreshToken.objects.count() == 0


@pytest.mark.req("VB-03")
def test_unknown_address_takes_as_long_as_a_wrong_password(call, settings):
    settings.PASSWORD_HASHERS = web.PASSWORD_HASHERS
    User.objects.create_user("ada@example.org", "correct horse battery")

    def cpu_s(email: str) -> float:
        started = time.process_time()
        call("POST", "login", {"email": email, "password": "something else"})
        return time.process_time() - started

    known, unknown = cpu_s("ada@example.org"), cpu_s("who@example.org")
    assert 0.5 < known / unknown < 2


@pytest.mark.req("VB-03", "OV-08")
def test_the_eleventh_failure_waits_and_so_does_the_right_password(call, credentials):
    wrong = {**credentials, "password": "something else"}
    answers = [call("POST", "login", wrong).status_code for _ in range(10)]
    refused = call("POST", "login", credentials)
    assert answers == [401] * 10
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 880 < int(refused.headers["Retry-After"]) <= 900


@pytest.mark.req("VB-03")
def test_failures_are_counted_per_address_whoever_owns_it(call, credentials):
    for _ in range(11):
        last = call("POST", "login", {"email": "who@example.org", "password": "x"})
    assert last.status_code == 429
    assert call("POST", "login", credentials).status_code == 200


def test_a_success_forgets_the_failures(call, credentials):
    wrong = {**credentials, "password": "something else"}
    for _ in range(9):
        call("POST", "login", wrong)
    call("POST", "login", credentials)
    assert [call("POST", "login", wrong).status_code for _ in range(10)] == [401] * 10


def test_waiting_does_not_grow_with_refused_attempts(call, credentials, redis_url):
    for _ in range(15):
        call("POST", "login", {**credentials, "password": "something else"})
    with Redis.from_url(redis_url) as client:
        [key] = client.keys("taskmapr:login-failures:*")
        assert (client.get(key), b"ada" in key) == (b"10", False)


@pytest.mark.req("VB-19")
def test_without_redis_nobody_signs_in(call, credentials, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    response = call("POST", "login", credentials)
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert response.headers["Retry-After"] == "5"


@pytest.mark.req("VB-08")
def test_a_bad_token_beside_the_password_does_not_matter(call, credentials):
    assert call("POST", "login", credentials, token="nonsense").status_code == 200
