"""Who may read /metrics."""

from __future__ import annotations

import pytest
from django.test import Client

from taskmapr.users.models import User
from taskmapr.users.scopes import Scope
from taskmapr.users.services.api_keys import api_key_issue
from taskmapr.users.services.sign_ins import tokens_issue
from tests.orchestration.api.conftest import Call

#: As a program on this machine asks, and as a proxy here does for a client elsewhere.
HERE = {"host": "localhost"}
ELSEWHERE = {**HERE, "x-forwarded-for": "203.0.113.7"}


def _key(user: User, *scopes: str) -> str:
    return api_key_issue(user_id=user.pk, name="watcher", scopes=scopes).text


@pytest.mark.req("OV-67")
@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
def test_this_machine_may(call: Call, path: str) -> None:
    answer = Client().get(path, headers=HERE)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b'taskmapr_dependency_up{name="db"} 1.0' in answer.content


@pytest.mark.req("OV-67")
def test_a_key_with_the_scope_may(call: Call, ada: User) -> None:
    headers = {**ELSEWHERE, "x-api-key": _key(ada, Scope.METRICS)}

    assert Client().get("/metrics", headers=headers).status_code == 200


@pytest.mark.req("OV-67")
@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        (ELSEWHERE, 401, "missing_token"),
        ({"host": "evil.example"}, 400, "invalid_request"),
        ({**HERE, "origin": "https://evil.example"}, 401, "missing_token"),
        ({**ELSEWHERE, "x-api-key": "tm_x"}, 401, "invalid_token"),
    ],
)
def test_nobody_may_without_a_key(
    call: Call, headers: dict[str, str], status: int, code: str
) -> None:
    answer = Client().get("/metrics", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.req("OV-67")
def test_other_credentials_do_not_do(call: Call, ada: User) -> None:
    token = tokens_issue(user_id=ada.pk).access_token
    for sent in ({"x-api-key": _key(ada, Scope.OVERLAY)}, {"authorization": f"Bearer {token}"}):
        answer = Client().get("/metrics", headers={**ELSEWHERE, **sent})

        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
