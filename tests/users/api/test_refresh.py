from datetime import timedelta

import pytest
from django.utils import timezone

from taskmapr.users.models import RefreshToken
from taskmapr.users.services.accounts import password_change, user_deactivate
from taskmapr.users.services.sign_ins import tokens_issue


def _refresh(call, token):
    return call("POST", "refresh", {"refresh_token": token})


@pytest.mark.req("VB-05")
def test_replaces_the_token_within_its_family(call, ada_tokens):
    response = _refresh(call, ada_tokens.refresh_token)
    fresh = response.json()["refresh_token"]
    assert response.status_code == 200
    assert fresh != ada_tokens.refresh_token
    assert RefreshToken.objects.values("family").distinct().count() == 1
    assert call("GET", "me", token=response.json()["access_token"]).status_code == 200
    assert _refresh(call, fresh).status_code == 200


@pytest.mark.req("VB-05")
def test_a_used_token_ends_the_whole_sign_in_and_no_other(call, ada, ada_tokens):
    other = tokens_issue(user_id=ada.pk)
    fresh = _refresh(call, ada_tokens.refresh_token).json()["refresh_token"]
    reused = _refresh(call, ada_tokens.refresh_token)
    assert (reused.status_code, reused.json()["code"]) == (401, "token_reused")
    after = _refresh(call, fresh)
    assert (after.status_code, after.json()["code"]) == (401, "invalid_token")
    assert _refresh(call, other.refresh_token).status_code == 200


@pytest.mark.req("VB-05")
def test_an_expired_token_is_invalid(call, ada_tokens):
    RefreshToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    response = _refresh(call, ada_tokens.refresh_token)
    assert (response.status_code, response.json()["code"]) == (401, "invalid_token")


@pytest.mark.req("VB-05", "VB-04")
def test_an_unknown_one_and_an_access_token_are_invalid(call, ada_tokens):
    for token in ("nonsense", ada_tokens.access_token):
        response = _refresh(call, token)
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token")


@pytest.mark.req("VB-06")
@pytest.mark.parametrize("end", ["password", "deactivation", "logout"])
def test_stops_with_password_change_deactivation_and_logout(call, ada, ada_tokens, end):
    if end == "password":
        password_change(user_id=ada.pk, password="another long password")
    elif end == "deactivation":
        user_deactivate(user_id=ada.pk)
    else:
        body = {"refresh_token": ada_tokens.refresh_token}
        assert call("POST", "logout", body, token=ada_tokens.access_token).json() == {"ok": True}
    response = _refresh(call, ada_tokens.refresh_token)
    assert (response.status_code, response.json()["code"]) == (401, "invalid_token")


@pytest.mark.req("VB-06")
def test_stops_with_a_password_changed_past_the_service(call, ada, ada_tokens):
    ada.set_password("set by a command of the framework")
    ada.save()
    response = _refresh(call, ada_tokens.refresh_token)
    assert (response.status_code, response.json()["code"]) == (401, "invalid_token")


@pytest.mark.req("OV-08")
def test_without_a_token_it_is_422(call):
    response = call("POST", "refresh", {})
    assert response.json()["details"]["fields"][0]["path"] == "refresh_token"
