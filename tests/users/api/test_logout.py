import pytest

from taskmapr.users.models import RefreshToken
from taskmapr.users.services.sign_ins import tokens_issue, tokens_refresh


@pytest.mark.req("VB-06")
def test_ends_this_sign_in_and_no_other(call, ada, ada_tokens):
    other = tokens_issue(user_id=ada.pk)
    body = {"refresh_token": ada_tokens.refresh_token}
    call("POST", "logout", body, token=ada_tokens.access_token)
    assert RefreshToken.objects.filter(revoked_at=None).count() == 1
    assert tokens_refresh(refresh_token=other.refresh_token)


@pytest.mark.req("VB-84")
def test_cyd_cannot_end_adas_sign_in(call, cyd, ada_tokens):
    body = {"refresh_token": ada_tokens.refresh_token}
    response = call("POST", "logout", body, token=tokens_issue(user_id=cyd.pk).access_token)
    assert response.json() == {"ok": True}
    assert RefreshToken.objects.exclude(revoked_at=None).count() == 0


@pytest.mark.req("VB-08")
def test_needs_a_token(call, ada_tokens):
    response = call("POST", "logout", {"refresh_token": ada_tokens.refresh_token})
    assert (response.status_code, response.json()["code"]) == (401, "missing_token")
    assert RefreshToken.objects.exclude(revoked_at=None).count() == 0
