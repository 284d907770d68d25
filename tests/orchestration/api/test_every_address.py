"""Every address below /api, as the router has them: what strangers and keys get.

A new address is tested as soon as it is routed; one with a new kind of id has to be told here whose
id that is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from orchestration.models import Approval, Run
from orchestration.models.approval import ApprovalAsks
from taskmapr.users.models import User
from taskmapr.users.services.api_keys import api_key_issue
from tests.orchestration.api.conftest import Call
from tests.orchestration.conftest import StartRun

Route = tuple[str, str]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
#: For those who have no token yet, and for probes.
OPEN = {"auth/register", "auth/login", "auth/refresh", "health"}
#: Ids that clients choose: a foreign one is refused by name, an unknown one is a new session.
CHOSEN = {"api/chat/<str:session_key>", "api/stream/<str:session_key>"}
MISSING = {
    "run_id": "01900000-0000-7000-8000-000000000000",
    "approval_id": "01900000-0000-7000-8000-000000000000",
    "session_key": "nobodys",
}


def _patterns(resolver: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for one in resolver.url_patterns:
        path = f"{prefix}{one.pattern}"
        if isinstance(one, URLResolver):
            yield from _patterns(one, path)
        elif isinstance(one, URLPattern):
            yield path, one.callback


def _routes() -> list[Route]:
    """(method, pattern) of everything that a program can call."""
    found = []
    for path, view in _patterns(get_resolver()):
        cls: Any = getattr(view, "cls", None) or getattr(view, "view_class", None)
        if path.startswith("api/") and cls is not None:
            found += [(method, path) for method in METHODS if hasattr(cls, method.lower())]
    return found


ROUTES = _routes()
GUARDED = [route for route in ROUTES if route[1].removeprefix("api/v1/") not in OPEN]
WITH_ID = [route for route in GUARDED if "<" in route[1]]


def _filled(path: str, ids: dict[str, str]) -> str:
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda match: ids[match[1]], path)


@pytest.fixture
def adas(start: StartRun) -> dict[str, str]:
    """Ids of what is Ada's."""
    run: Run = start()
    approval = Approval.objects.create(
        run=run,
        asks=ApprovalAsks.APPROVAL,
        tool="ui.click",
        call_id="c1",
        expires_at=timezone.now() + timedelta(hours=1),
    )
    return {
        "run_id": str(run.pk),
        "approval_id": str(approval.pk),
        "session_key": str(run.session_id),
    }


def test_the_router_was_read() -> None:
    assert ("POST", "api/taskmapr/orchestrate") in GUARDED
    assert ("GET", "api/v1/auth/me") in GUARDED
    assert len(WITH_ID) >= 7


@pytest.mark.req("VB-08", "OV-S9")
@pytest.mark.parametrize("route", GUARDED, ids=" ".join)
@pytest.mark.parametrize(
    ("header", "code"),
    [("", "missing_token"), ("Bearer x", "invalid_token"), ("Basic eDp5", "invalid_scheme")],
)
def test_nobody_comes_in_without_credentials(
    call: Call, route: Route, header: str, code: str
) -> None:
    sent = {"authorization": header} if header else {}
    answer = call(route[0], _filled(route[1], MISSING), {"prompt": "Hi"}, user=None, **sent)

    assert (answer.status, answer.json["code"]) == (401, code)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.req("VB-84", "OV-S10")
@pytest.mark.parametrize("route", WITH_ID, ids=" ".join)
def test_what_is_adas_does_not_exist_for_cyd(
    call: Call, adas: dict[str, str], cyd: User, route: Route
) -> None:
    method, path = route
    before = list(Run.objects.values())
    query = "?prompt=Hi" if method == "GET" else ""
    body = {"prompt": "Hi", "message": "Hi", "decision": "approved"} if method != "GET" else None

    foreign = call(method, _filled(path, adas) + query, body, user=cyd)

    if path in CHOSEN:
        assert (foreign.status, foreign.json["code"]) == (403, "session_forbidden")
    else:
        missing = call(method, _filled(path, MISSING) + query, body, user=cyd)
        assert foreign.status == missing.status == 404
        assert foreign.json["code"] == missing.json["code"]
        assert foreign.json["detail"] == missing.json["detail"]
    assert list(Run.objects.values()) == before
    assert Approval.objects.get().status == "open"


@pytest.mark.req("OV-52")
@pytest.mark.parametrize("route", GUARDED, ids=" ".join)
def test_a_key_for_something_else_opens_nothing(call: Call, ada: User, route: Route) -> None:
    """`metrics` is good for no address below /api; who the key belongs to is no secret to it."""
    key = api_key_issue(user_id=ada.pk, name="figures", scopes=["metrics"]).text
    answer = call(
        route[0], _filled(route[1], MISSING), {"prompt": "Hi"}, user=None, **{"x-api-key": key}
    )

    expected = 200 if route == ("GET", "api/v1/auth/me") else 403
    assert answer.status == expected
