"""Pages of other origins, through the whole chain of middleware."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.test import AsyncClient, Client

from agents_cfg.models import OverlayProfile
from taskmapr.foundation import database_state
from taskmapr.foundation.cors import ProfileOrigins, path_methods
from taskmapr.foundation.origins import Origins, is_origin
from taskmapr.settings.cross_origin import allowed_origins

NAMED = "https://app.example.com"
STRANGER = "https://evil.example"
ASK = "/api/taskmapr/orchestrate"


@pytest.fixture(autouse=True)
def named(settings: Any, db: None) -> None:
    settings.CORS_ALLOWED_ORIGINS = [NAMED, "http://localhost:*"]


def preflight(path: str, origin: str, method: str = "POST", **more: str) -> Any:
    asked = {"Origin": origin, "Access-Control-Request-Method": method, **more}
    return Client().options(path, headers=asked)


def allowed(response: Any) -> dict[str, str]:
    return {n: v for n, v in response.headers.items() if n.lower().startswith("access-control-")}


@pytest.mark.req("OV-56", "OV-S19")
def test_a_preflight_of_a_named_origin_is_told_everything() -> None:
    response = preflight(ASK, NAMED)

    assert response.status_code == 200
    granted = {name.lower(): value for name, value in allowed(response).items()}
    assert granted.pop("access-control-allow-headers").split(", ") == [
        *("authorization", "content-type", "x-api-key", "x-request-id", "x-user-id"),
        *("last-event-id", "idempotency-key", "cache-control", "accept", "if-match"),
        *("if-modified-since", "x-backup-version", "x-backup-timestamp", "x-backup-checksum"),
        "x-backup-chunk-count",
    ]
    assert set(granted.pop("access-control-expose-headers").split(", ")) == {
        *("X-Run-Id", "X-Session-Id", "X-Request-Id", "Retry-After", "Location", "Last-Modified"),
        *("Idempotency-Replayed", "X-Total-Count", "X-Checksum", "X-Backup-Version"),
        *("X-Backup-Timestamp", "X-Backup-Checksum", "X-Backup-Chunk-Count", "RateLimit-Limit"),
        *("RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy"),
    }
    assert granted == {
        "access-control-allow-origin": NAMED,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "POST, OPTIONS",
        "access-control-max-age": "3600",
    }
    assert response.headers["Vary"] == "origin"


@pytest.mark.req("OV-56", "OV-S19")
@pytest.mark.parametrize(
    "origin", [STRANGER, "null", f"{NAMED}.evil.example", f"{NAMED}:8443", "http://app.example.com"]
)
def test_a_preflight_of_a_stranger_is_told_nothing(origin: str) -> None:
    response = preflight(ASK, origin)

    assert allowed(response) == {}
    assert "origin" in response.headers["Vary"].lower()


@pytest.mark.req("OV-56", "OV-S19")
@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "status"),
    [
        ("POST", ASK, "{}", "application/json", 401),
        ("POST", "/api/v1/auth/login", "{", "application/json", 400),
        ("POST", "/api/v1/auth/login", "{}", "text/plain", 415),
        ("POST", "/api/v1/auth/login", "{}", "application/json", 422),
        ("GET", "/api/nowhere", "", "application/json", 404),
        ("GET", "/api/v1/auth/login", "", "application/json", 405),
    ],
)
def test_a_named_origin_may_read_refusals(
    method: str, path: str, body: str, kind: str, status: int
) -> None:
    headers = {"Origin": NAMED}
    response = Client().generic(method, path, body, content_type=kind, headers=headers)
    foreign = Client().generic(method, path, body, content_type=kind, headers={"Origin": STRANGER})

    assert (response.status_code, foreign.status_code) == (status, status)
    assert response.headers["access-control-allow-origin"] == NAMED
    assert "RateLimit-Limit" in response.headers["access-control-expose-headers"]
    assert allowed(foreign) == {}


@pytest.mark.req("OV-56", "OV-S19")
def test_a_body_too_large_and_a_crash_may_be_read_too(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.foundation.failing_urls"
    settings.TASKMAPR = {**settings.TASKMAPR, "max_body_bytes": 100}
    client = Client(raise_request_exception=False, headers={"Origin": NAMED})

    large = client.post("/api/echo", {"a": "x" * 100}, content_type="application/json")
    crash = client.get("/api/crashes")
    busy = client.get("/api/raises/queue_unavailable")

    for response, status in ((large, 413), (crash, 500), (busy, 503)):
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == NAMED


@pytest.mark.req("OV-56")
def test_the_async_chain_grants_the_same_without_a_visit_to_the_database(
    django_assert_num_queries: Any,
) -> None:
    with django_assert_num_queries(0):
        response = async_to_sync(AsyncClient().get)("/api/nowhere", headers={"Origin": NAMED})
        plain = async_to_sync(AsyncClient().get)("/api/nowhere")

    assert response.headers["access-control-allow-origin"] == NAMED
    assert allowed(plain) == {}
    assert "origin" in plain.headers["Vary"].lower()


@pytest.mark.req("OV-56")
def test_an_origin_of_a_profile_is_named_and_remembered(django_assert_num_queries: Any) -> None:
    OverlayProfile.objects.create(
        name="shop", allowed_origins=["https://shop.example", "https://www.shop.example"]
    )
    client, headers = AsyncClient(), {"Origin": "https://www.shop.example"}

    with django_assert_num_queries(1):
        first = async_to_sync(client.get)("/api/nowhere", headers=headers)
    with django_assert_num_queries(0):
        second = async_to_sync(client.get)("/api/nowhere", headers=headers)

    for response in (first, second):
        assert response.headers["access-control-allow-origin"] == "https://www.shop.example"
        assert response.headers["access-control-allow-credentials"] == "true"


@pytest.mark.req("VB-09")
@pytest.mark.parametrize("origin", ["app://taskmapr", "app://-", "http://localhost:5173"])
def test_the_desktop_and_local_pages_may_call_the_account_api_without_cookies(
    settings: Any, origin: str
) -> None:
    settings.CORS_ALLOWED_ORIGINS = [NAMED]

    response = preflight("/api/v1/auth/me", origin, "GET")
    elsewhere = preflight(ASK, origin)

    assert response.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-credentials" not in response.headers
    assert response.headers["access-control-allow-methods"] == "GET, HEAD, DELETE, OPTIONS"
    assert allowed(elsewhere) == {}


@pytest.mark.req("OV-56")
@pytest.mark.parametrize("path", ["/admin/login/", "/console/", "/docs", "/problems/not_found"])
def test_pages_for_people_are_for_their_own_origin(path: str) -> None:
    assert allowed(Client().get(path, headers={"Origin": NAMED})) == {}


@pytest.mark.req("OV-56")
def test_the_front_door_may_be_read() -> None:
    response = Client().get("/", headers={"Origin": NAMED})

    assert response.headers["access-control-allow-origin"] == NAMED


@pytest.mark.req("OV-56")
@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (ASK, ("POST", "OPTIONS")),
        (f"{ASK}/", ("POST", "OPTIONS")),
        ("/api/history/s-1", ("GET", "HEAD", "OPTIONS")),
        ("/health", ("GET", "HEAD", "OPTIONS")),
        ("/api/nowhere", ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")),
    ],
)
def test_a_path_tells_its_own_methods(path: str, methods: tuple[str, ...]) -> None:
    assert path_methods(path) == methods


@pytest.mark.req("OV-56")
def test_a_page_of_the_public_web_may_call_into_a_private_network() -> None:
    asked = {"Access-Control-Request-Private-Network": "true"}

    granted = preflight(ASK, NAMED, **asked)
    refused = preflight(ASK, STRANGER, **asked)

    assert granted.headers["access-control-allow-private-network"] == "true"
    assert allowed(refused) == {}


# Origins ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "is_member"),
    [
        ("http://localhost", True),
        ("http://localhost:3000", True),
        ("HTTP://LocalHost:3000", True),
        ("http://localhost:", False),
        ("http://localhost:30a", False),
        ("http://localhost:*", False),
        ("https://localhost:3000", False),
        ("http://localhost.evil.example:3000", False),
        ("http://[::1]:80", True),
        ("https://a.example", True),
        ("https://a.example:443", False),
        ("null", False),
        ("", False),
    ],
)
def test_membership_of_origins(origin: str, is_member: bool) -> None:
    origins = Origins(["http://localhost:*", "https://A.example", "http://[::1]:*", "*", "null"])

    assert (origin in origins) is is_member


@pytest.mark.req("OV-56")
@pytest.mark.parametrize("listed", ["*", "null", "app.example.com", "https://*", "https://a/b"])
def test_a_setting_that_is_no_origin_is_refused(listed: str) -> None:
    assert not is_origin(listed)
    with pytest.raises(ImproperlyConfigured, match="not an origin"):
        allowed_origins([listed], is_local=True)


@pytest.mark.req("OV-56")
def test_without_a_setting_local_pages_are_named_on_a_developers_machine_only() -> None:
    assert allowed_origins([], is_local=True) == ["http://localhost:*", "http://127.0.0.1:*"]
    assert allowed_origins([], is_local=False) == []
    assert allowed_origins(["https://a.example/"], is_local=True) == ["https://a.example"]


@pytest.mark.req("OV-56", "OV-63")
def test_what_profiles_named_holds_on_while_postgres_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[BaseException] = []
    monkeypatch.setattr(database_state, "database_went_away", told.append)
    answers: list[Any] = [["https://a.example"], OperationalError("gone")]

    def source() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    origins = ProfileOrigins(source)
    assert origins.is_stale
    origins.read()
    origins.read()

    assert "https://a.example" in origins
    assert not origins.is_stale
    assert len(told) == 1
