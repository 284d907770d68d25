"""Postgres is away: people go on with their tokens, keys do not, and the closed stay closed."""

from contextlib import contextmanager
from types import SimpleNamespace

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client, TestCase

from taskmapr.foundation import database_state
from taskmapr.foundation.database_state import DatabaseGate
from taskmapr.users.development import keys_forget
from taskmapr.users.models import User
from taskmapr.users.principals import principal_of_token
from taskmapr.users.scopes import Scope
from taskmapr.users.services.accounts import user_activate, user_deactivate
from taskmapr.users.services.api_keys import api_key_issue
from taskmapr.users.services.dev_user import DEV_USER_ID
from taskmapr.users.tokens import access_token_make
from taskmapr.users.without_database import user_trusted
from tests.modelserver.process import wait_until

ME = "/api/v1/auth/me"


@pytest.fixture
def outage(monkeypatch, redis_url):
    """outage(): every statement fails as with a lost server, until the block ends."""

    @contextmanager
    def _outage():
        state = SimpleNamespace(is_up=False, asked=0)
        gate = DatabaseGate(lambda: state.is_up)
        monkeypatch.setattr(database_state, "_gate", gate)

        def lost(execute, sql, params, many, context):
            state.asked += 1
            raise OperationalError("connection refused") from psycopg.OperationalError()

        with connection.execute_wrapper(lost):
            yield state
        state.is_up = True
        wait_until(lambda: not gate.is_away, timeout_s=5)

    return _outage


def _closed_for_good(fn, **kwargs):
    with TestCase.captureOnCommitCallbacks(execute=True):
        fn(**kwargs)


@pytest.mark.req("OV-63")
def test_a_native_token_is_trusted_for_its_life(ada, outage):
    text = access_token_make(ada.pk).text
    with outage() as postgres:
        for _ in range(3):
            user, credential = principal_of_token(text)
            assert (user.pk, user.is_active, user.is_authenticated) == (ada.pk, True, True)
            assert (credential.kind, credential.ref) == ("native_jwt", f"user:{ada.pk}")
        assert postgres.asked == 1, "the outage is known after the first loss"
    assert principal_of_token(text)[0].email == ada.email


@pytest.mark.req("OV-63")
def test_what_needs_the_account_itself_says_that_it_is_away(ada, outage):
    text = access_token_make(ada.pk).text
    with outage():
        response = Client().get(ME, headers={"Authorization": f"Bearer {text}"})
    assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")


@pytest.mark.req("OV-63")
def test_an_external_identity_is_known_for_a_day_after_it_was_seen(db, provider, outage):
    seen, unseen = provider.token(), provider.token(sub="never-seen")
    user = principal_of_token(seen)[0]
    headers = {"Authorization": f"Bearer {unseen}"}
    with outage():
        assert principal_of_token(seen)[0].pk == user.pk
        response = Client().get(ME, headers=headers)
        assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
    assert User.objects.count() == 1


@pytest.mark.req("OV-63")
def test_keys_need_the_database(ada, outage):
    text = api_key_issue(user_id=ada.pk, name="shop", scopes=[Scope.OVERLAY]).text
    for headers in ({"Authorization": f"Bearer {text}"}, {"x-api-key": text}):
        with outage() as postgres:
            for _ in range(2):
                response = Client().get(ME, headers=headers)
                assert response.status_code == 503
                assert response.json()["code"] == "database_unavailable"
                assert response.headers["Retry-After"] == "5"
            assert postgres.asked == 1


@pytest.mark.req("OV-63", "VB-06")
def test_a_closed_account_stays_closed(ada, provider, outage):
    native = access_token_make(ada.pk).text
    external = provider.token()
    cyd = principal_of_token(external)[0]
    for user in (ada, cyd):
        _closed_for_good(user_deactivate, user_id=user.pk)
    with outage():
        for text in (native, external):
            response = Client().get(ME, headers={"Authorization": f"Bearer {text}"})
            assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
    _closed_for_good(user_activate, user_id=ada.pk)
    with outage():
        assert principal_of_token(native)[0].pk == ada.pk


@pytest.mark.req("OV-63")
def test_a_closing_that_was_rolled_back_is_not_noted(ada, outage):
    with TestCase.captureOnCommitCallbacks(execute=True), transaction.atomic():
        user_deactivate(user_id=ada.pk)
        transaction.set_rollback(True)
    with outage():
        assert user_trusted(ada.pk).pk == ada.pk


@pytest.mark.req("OV-63", "VB-04")
def test_a_bad_token_is_as_bad_as_ever(ada, outage):
    with outage() as postgres:
        response = Client().get(ME, headers={"Authorization": "Bearer a.b.c"})
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
        assert postgres.asked == 0


@pytest.mark.req("OV-63", "OV-64")
def test_without_redis_either_nobody_is_trusted(ada, outage, settings):
    text = access_token_make(ada.pk).text
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with outage():
        response = Client().get(ME, headers={"Authorization": f"Bearer {text}"})
    assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")


@pytest.mark.req("OV-55", "OV-63")
def test_the_development_user_goes_on(settings, outage, db):
    settings.DISABLE_AUTH = True
    with outage():
        # What the account holds is away; who asks is known.
        assert Client().get("/api/v1/auth/me").json()["code"] == "database_unavailable"
        assert user_trusted(DEV_USER_ID).pk == DEV_USER_ID


@pytest.mark.req("OV-55", "OV-63")
def test_whether_keys_exist_is_remembered_and_never_guessed(settings, outage, db):
    settings.ENV = "dev"
    settings.EMBEDDED_POSTGRES = settings.EMBEDDED_REDIS = True
    client = Client(headers={"Host": "localhost"})
    with outage():
        assert client.get(ME).json()["code"] == "database_unavailable"
    keys_forget()
    assert client.get(ME).status_code == 200
    with outage():
        # Let in: what is asked for is looked up where it is kept meanwhile.
        assert client.get("/api/history/x").status_code == 404
