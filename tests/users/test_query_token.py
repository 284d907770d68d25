"""A token in the address: taken by the views that a browser's EventSource opens, and masked."""

import pytest
from django.test import Client

from taskmapr.foundation.telemetry.logs import redacted
from taskmapr.users.scopes import Scope
from taskmapr.users.services.api_keys import api_key_issue

STREAM = "/api/taskmapr/runs/00000000-0000-7000-8000-000000000000/stream"


def _status(path, **query):
    response = Client().get(path, query)
    return response.status_code, response.json()["code"]


@pytest.mark.req("OV-50")
def test_the_resume_address_takes_it(ada, ada_tokens):
    key = api_key_issue(user_id=ada.pk, name="page", scopes=[Scope.OVERLAY]).text
    for token in (ada_tokens.access_token, key):
        assert _status(STREAM, access_token=token) == (404, "run_not_found")


@pytest.mark.req("OV-50")
def test_and_refuses_a_bad_one_beside_a_good_header(ada_tokens):
    assert _status(STREAM, access_token="wrong") == (401, "invalid_token")
    response = Client().get(
        STREAM,
        {"access_token": "wrong"},
        headers={"Authorization": f"Bearer {ada_tokens.access_token}"},
    )
    assert response.status_code == 401


@pytest.mark.req("OV-50")
@pytest.mark.parametrize("path", ["/api/v1/auth/me", "/api/history/x", STREAM[: -len("/stream")]])
def test_other_addresses_do_not(ada_tokens, path):
    assert _status(path, access_token=ada_tokens.access_token) == (401, "missing_token")


@pytest.mark.req("OV-50", "VB-83")
def test_it_is_masked_in_log_lines(ada_tokens):
    line = f"GET {STREAM}?prompt=hi&access_token={ada_tokens.access_token}&x=1 200"
    assert ada_tokens.access_token not in redacted(line)
    assert redacted(line).endswith("access_token=[redacted]&x=1 200")
