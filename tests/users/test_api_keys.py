from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from taskmapr.core.errors import InvalidInput, NotFound
from taskmapr.users.models import ApiKey, User
from taskmapr.users.scopes import Scope
from taskmapr.users.services.accounts import user_deactivate
from taskmapr.users.services.api_keys import api_key_issue, api_key_revoke
from taskmapr.users.services.dev_user import DEV_USER_ID
from taskmapr.users.services.sign_ins import tokens_issue

ME = "/api/v1/auth/me"
HISTORY = "/api/history/no-such-session"


def _key(user, *scopes, **more):
    issued = api_key_issue(
        user_id=user.pk, name="a shop's server", scopes=scopes or [Scope.OVERLAY], **more
    )
    return issued.text


def _get(path=ME, **headers):
    response = Client().get(path, headers=headers)
    return response.status_code, response.json()


@pytest.mark.req("OV-52")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_key_lets_its_user_in_as_bearer(ada, scheme):
    status, body = _get(Authorization=f"{scheme} {_key(ada)}")
    assert (status, body["id"]) == (200, str(ada.pk))


@pytest.mark.req("OV-52")
def test_a_key_lets_its_user_in_by_its_own_header(ada):
    status, body = _get(**{"x-api-key": _key(ada)})
    assert (status, body["id"]) == (200, str(ada.pk))


@pytest.mark.req("OV-52")
def test_only_a_hash_of_the_key_is_stored(ada):
    text = _key(ada)
    row = ApiKey.objects.values().get()
    assert text.startswith("tm_")
    assert text.startswith(row["beginning"])
    assert len(row["beginning"]) == 9
    assert text not in str(row)


@pytest.mark.req("OV-52")
def test_keys_that_are_no_good(ada):
    good = _key(ada)
    expired = _key(ada)
    ApiKey.objects.filter(beginning=expired[:9]).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )
    revoked = _key(ada)
    api_key_revoke(key_id=ApiKey.objects.get(beginning=revoked[:9]).pk)
    for text, code in (
        (good[:-1], "invalid_token"),
        (f"{good}x", "invalid_token"),
        ("tm_", "invalid_token"),
        ("tm_" + "x" * 43, "invalid_token"),
        (good.removeprefix("tm_"), "invalid_token"),
        ("tm_" + "x" * 9000, "invalid_token"),
        (revoked, "invalid_token"),
        (expired, "token_expired"),
    ):
        for headers in ({"Authorization": f"Bearer {text}"}, {"x-api-key": text}):
            status, body = _get(**headers)
            assert (status, body["code"]) == (401, code), headers


@pytest.mark.req("OV-52")
def test_a_closed_account_takes_its_keys_with_it(ada):
    text = _key(ada)
    user_deactivate(user_id=ada.pk)
    assert _get(**{"x-api-key": text})[0] == 401


@pytest.mark.req("OV-52")
def test_a_second_credential_does_not_save_a_bad_one(ada, ada_tokens):
    key, token = _key(ada), ada_tokens.access_token
    for bearer, header, expected in (
        (token, key, 200),
        (key, key, 200),
        (token, "tm_wrong", 401),
        ("wrong", key, 401),
        ("tm_wrong", key, 401),
    ):
        status, _ = _get(**{"Authorization": f"Bearer {bearer}", "x-api-key": header})
        assert status == expected, (bearer[:5], header[:5])


@pytest.mark.req("OV-52")
def test_two_users_at_once_are_nobody(ada, cyd):
    token = tokens_issue(user_id=cyd.pk).access_token
    status, body = _get(**{"Authorization": f"Bearer {token}", "x-api-key": _key(ada)})
    assert (status, body["code"]) == (401, "invalid_token")


@pytest.mark.req("OV-52")
def test_an_access_token_is_not_taken_for_a_key(ada_tokens):
    assert _get(**{"x-api-key": ada_tokens.access_token})[0] == 401


@pytest.mark.req("OV-52")
def test_a_missing_scope_is_named(ada):
    status, body = _get(HISTORY, **{"x-api-key": _key(ada, Scope.OVERLAY)})
    assert (status, body["code"]) == (403, "not_allowed")
    assert body["details"] == {"scopes": ["history:read"]}
    assert _get(HISTORY, **{"x-api-key": _key(ada, Scope.HISTORY_READ)})[0] == 404


@pytest.mark.req("OV-52")
def test_a_view_that_names_no_scope_is_closed_to_keys(ada):
    every = [str(scope) for scope in Scope]
    text = _key(ada, *every)
    for path, method in (("/api/v1/auth/logout", "post"), (ME, "delete")):
        response = getattr(Client(), method)(
            path, b"{}", content_type="application/json", headers={"x-api-key": text}
        )
        assert (response.status_code, response.json()["code"]) == (403, "not_allowed")


@pytest.mark.req("OV-52")
def test_last_use_is_written_once_a_minute(ada, django_assert_num_queries):
    text = _key(ada)
    with django_assert_num_queries(2):
        _get(**{"x-api-key": text})
    first = ApiKey.objects.get().last_used_at
    assert first is not None
    with django_assert_num_queries(1):
        _get(**{"x-api-key": text})
    assert ApiKey.objects.get().last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(seconds=61))
    _get(**{"x-api-key": text})
    assert ApiKey.objects.get().last_used_at > first


@pytest.mark.req("OV-52")
@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"expires_at": timezone.now() - timedelta(days=1)}, "expires_at"),
    ],
)
def test_a_key_for_nothing_is_not_issued(ada, more, path):
    with pytest.raises(InvalidInput) as refused:
        api_key_issue(**{"user_id": ada.pk, "name": "x", "scopes": [Scope.OVERLAY]} | more)
    assert refused.value.details["fields"][0]["path"] == path
    assert ApiKey.objects.count() == 0


def test_no_key_for_a_closed_account(ada):
    user_deactivate(user_id=ada.pk)
    with pytest.raises(InvalidInput):
        _key(ada)


def test_revoking_twice_keeps_the_first_time_and_an_unknown_key_is_missing(ada):
    _key(ada)
    row = ApiKey.objects.get()
    api_key_revoke(key_id=row.pk)
    first = ApiKey.objects.get().revoked_at
    api_key_revoke(key_id=row.pk)
    assert ApiKey.objects.get().revoked_at == first is not None
    with pytest.raises(NotFound):
        api_key_revoke(key_id=DEV_USER_ID)


@pytest.mark.req("OV-55")
def test_the_first_key_ends_the_time_without_credentials(settings, db):
    settings.ENV = "dev"
    settings.EMBEDDED_POSTGRES = settings.EMBEDDED_REDIS = True
    assert _get(Host="localhost")[0] == 200
    _key(User.objects.get(pk=DEV_USER_ID))
    from taskmapr.users.development import keys_forget

    keys_forget()
    status, body = _get(Host="localhost")
    assert (status, body["code"]) == (401, "missing_token")


@pytest.mark.req("OV-54")
def test_a_server_on_which_nobody_can_sign_in_says_so(settings, ada):
    settings.JWT_SECRET = ""
    status, body = _get()
    assert (status, body["code"]) == (503, "auth_not_configured")
    text = _key(ada)
    from taskmapr.users.development import keys_forget

    keys_forget()
    assert _get()[1]["code"] == "missing_token"
    assert _get(**{"x-api-key": text})[0] == 200
