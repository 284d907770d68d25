"""The page that says how people get in, and what is wrong with a token."""

import dataclasses
import logging
import re
import time

import pytest
from django.test import Client

from taskmapr.users.models import User
from taskmapr.users.scopes import Scope
from taskmapr.users.services.accounts import user_deactivate
from taskmapr.users.services.api_keys import api_key_issue
from taskmapr.users.tokens import access_token_make
from tests.users.conftest import SHARED_SECRET
from tests.users.identity_provider import Key

PAGE = "/admin/users/apikey/sign-in/"


@pytest.fixture
def admin(db) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.org", "an operator's password"))
    return client


def _text(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def _check(admin, token):
    """{step: passed} of the check, and the text of its table."""
    response = admin.post(PAGE, {"token": token})
    row = r'<th scope="row">([^<]+)</th><td>\s*<span[^>]*>(passed|failed)'
    steps = re.findall(row, re.sub(r"{#.*?#}", "", response.content.decode()))
    table = _text(response).split("Step Outcome Says")[1].split("The token was checked")[0]
    return {name: outcome == "passed" for name, outcome in steps}, table


@pytest.mark.req("OV-72")
def test_it_says_what_is_configured_and_no_secret(admin, provider, settings):
    settings.EXTERNAL_SIGN_IN = dataclasses.replace(
        settings.EXTERNAL_SIGN_IN, api_key="service-key-value", api_key_name="SUPABASE_KEY"
    )
    page = admin.get(PAGE)
    text = _text(page)
    for said in (provider.issuer, "authenticated", "HS256, RS256, ES256", "SUPABASE_KEY", "15 min"):
        assert said in text
    for secret in (SHARED_SECRET, "service-key-value", settings.JWT_SECRET):
        assert secret not in page.content.decode()


@pytest.mark.req("OV-72")
def test_without_a_provider_it_says_how_to_switch_one_on(admin):
    assert "SUPABASE_URL or SUPABASE_JWT_SECRET switches it on" in _text(admin.get(PAGE))


@pytest.mark.req("OV-72")
def test_public_keys_are_listed_once_fetched_and_an_outage_is_said(admin, provider):
    assert "No keys yet" in _text(admin.get(PAGE))
    assert admin.post(f"{PAGE}fetch/").status_code == 302
    text = _text(admin.get(PAGE))
    assert "rsa-1 RSA" in text
    assert "ec-1 EC P-256" in text
    assert "Last error none" in text
    provider.stop()
    admin.post(f"{PAGE}fetch/")
    text = _text(admin.get(PAGE))
    assert "ConnectError" in text
    assert "rsa-1 RSA" in text


@pytest.mark.req("OV-72")
def test_a_good_token_passes_every_step(admin, provider, ada):
    for token in (provider.token(), provider.token(SHARED_SECRET, alg="HS256")):
        steps, table = _check(admin, token)
        assert len(steps) == 11
        assert all(steps.values())
        assert "Will be made when the token is first used" in table
    assert User.objects.count() == 2, "a check lets nobody in"
    for token in (access_token_make(ada.pk).text, f"Bearer {access_token_make(ada.pk).text}"):
        steps, table = _check(admin, token)
        assert steps == {"form": True, "token": True, "account": True}
        assert ada.email in table


@pytest.mark.req("OV-72")
def test_it_says_which_claims_fail(admin, provider):
    token = provider.token(aud="anon", iss="https://evil.example", exp=int(time.time()) - 60)
    steps, table = _check(admin, token)
    assert [name for name, passed in steps.items() if not passed] == ["aud", "iss", "exp"]
    for code in ("invalid_audience", "invalid_issuer", "token_expired"):
        assert code in table


@pytest.mark.req("OV-72")
@pytest.mark.parametrize(
    ("make", "failed"),
    [
        (lambda p, ada: p.token(Key("rsa-1")), "signature"),
        (lambda p, ada: p.token(Key("unknown")), "signature"),
        (lambda p, ada: "no token", "form"),
        (lambda p, ada: "a.b.c", "form"),
        (lambda p, ada: "tm_unknown", "key"),
        (lambda p, ada: p.token(iss="taskmapr"), "token"),
    ],
)
def test_it_says_which_step_fails(admin, provider, ada, make, failed):
    steps, _ = _check(admin, make(provider, ada))
    assert [name for name, passed in steps.items() if not passed] == [failed]


@pytest.mark.req("OV-72")
def test_a_key_and_a_closed_account(admin, provider, ada):
    key = api_key_issue(user_id=ada.pk, name="shop", scopes=[Scope.OVERLAY]).text
    native = access_token_make(ada.pk).text
    steps, _ = _check(admin, key)
    assert steps == {"key": True, "revoked": True, "expiry": True, "account": True}
    user_deactivate(user_id=ada.pk)
    assert not _check(admin, key)[0]["account"]
    assert not _check(admin, native)[0]["account"]


@pytest.mark.req("OV-72", "VB-83")
def test_the_token_is_neither_shown_nor_logged_nor_kept(admin, provider, caplog):
    good, bad = provider.token(), provider.token(Key("unknown"))
    with caplog.at_level(logging.DEBUG):
        for token in (good, bad, "tm_" + "x" * 43, "x" * 9000):
            page = admin.post(PAGE, {"token": token})
            assert page.status_code == 200
            assert token not in page.content.decode()
            assert "no-store" in page.headers["Cache-Control"]
    assert not any(token.split(".")[-1] in caplog.text for token in (good, bad))


@pytest.mark.req("OV-06")
def test_it_asks_the_database_seldom(admin, provider, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        admin.post(PAGE, {"token": provider.token()})


@pytest.mark.req("VB-86")
def test_it_takes_a_permission(ada):
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    client = Client()
    client.force_login(ada)
    assert client.get(PAGE).status_code == 403
    assert client.post(f"{PAGE}fetch/").status_code == 403
