import pytest

from taskmapr.core.ports import KeyUnavailable
from taskmapr.users.models import RefreshToken, User
from taskmapr.users.services.accounts import user_deactivate
from taskmapr.users.services.data_keys import DataKeySealers
from taskmapr.users.services.sign_ins import tokens_issue

from ..conftest import PASSWORD


@pytest.mark.req("VB-07", "VB-15")
def test_says_who_one_is_with_the_tier_of_the_database(call, ada, ada_tokens):
    User.objects.update(tier="power")
    response = call("GET", "me", token=ada_tokens.access_token)
    assert response.json() == {"id": str(ada.pk), "email": "ada@example.org", "tier": "power"}


@pytest.mark.req("OV-52")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_case_of_the_scheme_does_not_matter(call, ada_tokens, scheme):
    header = f"{scheme} {ada_tokens.access_token}"
    assert call("GET", "me", Authorization=header).status_code == 200


@pytest.mark.req("VB-06")
def test_a_running_token_is_refused_once_the_account_is_closed(call, ada, ada_tokens):
    user_deactivate(user_id=ada.pk)
    response = call("GET", "me", token=ada_tokens.access_token)
    assert (response.status_code, response.json()["code"]) == (401, "invalid_token")


@pytest.mark.req("VB-08")
def test_needs_a_token(call):
    for method in ("GET", "DELETE"):
        response = call(method, "me")
        assert (response.status_code, response.json()["code"]) == (401, "missing_token")
        assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.req("VB-10")
def test_deleting_makes_content_unreadable_and_signs_out_at_once(call, ada, ada_tokens):
    sealer = DataKeySealers().for_user(ada.pk)
    sealer.seal("memory")
    response = call("DELETE", "me", {"password": PASSWORD}, token=ada_tokens.access_token)
    assert (response.status_code, response.json()) == (202, {"ok": True})
    with pytest.raises(KeyUnavailable):
        DataKeySealers().for_user(ada.pk)
    assert call("GET", "me", token=ada_tokens.access_token).status_code == 401
    assert RefreshToken.objects.filter(revoked_at=None).count() == 0
    assert User.objects.get().erasure_requested_at is not None


@pytest.mark.req("VB-10")
@pytest.mark.parametrize("body", [{"password": "wrong password"}, {}])
def test_deleting_takes_the_password(call, ada, ada_tokens, body):
    response = call("DELETE", "me", body, token=ada_tokens.access_token)
    assert response.status_code in (401, 422)
    assert User.objects.get().is_active
    assert DataKeySealers().for_user(ada.pk)


@pytest.mark.req("VB-84")
def test_cyd_deletes_only_cyd(call, ada, cyd):
    token = tokens_issue(user_id=cyd.pk).access_token
    assert call("DELETE", "me", {"password": PASSWORD}, token=token).status_code == 401
    assert User.objects.filter(is_active=True).count() == 2
