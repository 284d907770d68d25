import re
from datetime import datetime

import pytest
from django.db import InterfaceError, OperationalError

from taskmapr.core.errors import TaskMaprError, UnsupportedMediaType, error_classes
from taskmapr.foundation.problems import PROBLEM_JSON, translated

MEMBERS = [
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "code",
    "error",
    "message",
    "details",
    "request_id",
    "timestamp",
]
ERRORS = {cls.code: cls for cls in error_classes()}


@pytest.mark.req("OV-07", "OV-08")
@pytest.mark.parametrize("code", sorted(ERRORS))
def test_every_error_has_the_one_shape(failing, settings, code):
    response = failing.get(f"/api/raises/{code}", headers={"X-Request-Id": "req-1"})
    body = response.json()
    assert response.headers["Content-Type"] == PROBLEM_JSON
    assert list(body) == MEMBERS
    assert response.status_code == body["status"] == ERRORS[code].status
    assert body["type"] == f"{settings.PUBLIC_URL}/problems/{code}"
    assert body["title"] == ERRORS[code].title
    assert body["code"] == code
    assert body["detail"] == body["error"] == body["message"] == "A sentence of its own."
    assert body["instance"] == f"/api/raises/{code}"
    assert body["details"] == {"at": 3}
    assert body["request_id"] == response.headers["X-Request-Id"] == "req-1"
    assert body["timestamp"].endswith("Z")
    assert datetime.fromisoformat(body["timestamp"])


@pytest.mark.req("OV-08")
def test_401_names_the_scheme_429_and_503_say_when_to_come_back(failing):
    assert failing.get("/api/raises/invalid_token").headers["WWW-Authenticate"] == "Bearer"
    assert failing.get("/api/raises/rate_limited").headers["Retry-After"] == "60"
    assert failing.get("/api/raises/queue_unavailable").headers["Retry-After"] == "5"


def test_statuses_and_codes_are_well_formed():
    for cls in error_classes():
        assert 400 <= cls.status <= 599
        assert re.fullmatch(r"[a-z][a-z0-9_]*", cls.code)
        assert cls.meaning()


@pytest.mark.req("OV-07")
@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/nowhere", 404, "not_found"),
        ("/api/nowhere/", 404, "not_found"),
        ("/api/missing", 404, "not_found"),
        ("/api/forbidden", 403, "not_allowed"),
        ("/api/crashes", 500, "internal_error"),
        ("/api/plain-async", 404, "run_not_found"),
    ],
)
def test_api_paths_answer_problems_also_in_debug_mode(failing, settings, debug, path, status, code):
    settings.DEBUG = debug
    response = failing.get(path, headers={"Accept": "text/html"})
    assert response.headers["Content-Type"] == PROBLEM_JSON
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert list(response.json()) == MEMBERS
    assert response.json()["instance"] == path
    text = response.content.decode()
    assert "secret-of-the-server" not in text
    assert "Traceback" not in text


@pytest.mark.req("OV-07")
@pytest.mark.django_db
def test_a_failed_query_shows_no_sql(failing, caplog):
    response = failing.get("/api/sql")
    assert response.status_code == 500
    assert "SELECT" not in response.content.decode()
    assert "nowhere" not in response.content.decode()
    assert "secret_of_the_server" in caplog.text  # the operator does learn it


@pytest.mark.req("OV-07", "OV-08")
@pytest.mark.parametrize("path", ["/api/only-get", "/api/raises/not_found"])
def test_a_wrong_method_is_a_problem_that_names_the_right_ones(failing, path):
    response = failing.delete(path)
    assert response.status_code == 405
    assert response.json()["code"] == "method_not_allowed"
    assert "GET" in response.headers["Allow"]


@pytest.mark.req("OV-08")
@pytest.mark.parametrize("body", ["{", '{"a": NaN}', "\xff", "{'a': 1}"])
def test_malformed_json_is_400(failing, body):
    response = failing.post("/api/echo", body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (400, "invalid_json")


@pytest.mark.req("OV-08")
@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""],
)
def test_a_body_of_another_kind_is_415(failing, kind):
    response = failing.generic("POST", "/api/echo", '{"a": 1}', content_type=kind)
    assert (response.status_code, response.json()["code"]) == (415, UnsupportedMediaType.code)


def test_a_charset_beside_the_kind_is_fine(failing):
    response = failing.post(
        "/api/echo", '{"a": "ä"}', content_type="application/JSON; charset=utf-8"
    )
    assert response.json() == {"a": "ä"}


def test_the_accept_header_never_stands_in_the_way(failing):
    assert failing.get("/api/echo", headers={"Accept": "text/event-stream"}).status_code == 200


@pytest.mark.req("OV-08")
def test_schema_violations_are_422_and_list_every_field(failing):
    body = {"count": "many", "items": [{"label": "a"}, {}]}
    response = failing.post("/api/validates", body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (422, "validation_error")
    assert response.json()["details"]["fields"] == [
        {"path": "count", "message": "A valid integer is required."},
        {"path": "items.1.label", "message": "This field is required."},
    ]


@pytest.mark.req("OV-08")
def test_a_body_that_is_no_object_is_422(failing):
    response = failing.post("/api/validates", "[1]", content_type="application/json")
    assert response.status_code == 422
    assert response.json()["details"]["fields"][0]["path"] == "body"


@pytest.mark.req("OV-08")
@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_a_database_that_is_down_is_503(kind):
    assert translated(kind("connection refused")).code == "database_unavailable"


def test_a_deadlock_is_not_a_database_that_is_down():
    class Deadlock(Exception):
        sqlstate = "40P01"

    error = OperationalError("deadlock")
    error.__cause__ = Deadlock()
    assert type(translated(error)) is TaskMaprError


@pytest.mark.req("OV-07")
@pytest.mark.django_db
@pytest.mark.parametrize("code", sorted(ERRORS))
def test_a_person_can_read_what_a_code_means(client, code):
    response = client.get(f"/problems/{code}")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")
    assert ERRORS[code].title in response.content.decode().replace("&#x27;", "'")


def test_the_list_of_problems_links_every_code(client):
    page = client.get("/problems").content.decode()
    assert all(f'href="/problems/{code}"' in page for code in ERRORS)


def test_an_unknown_code_is_a_page_for_people(client):
    response = client.get("/problems/never_heard_of")
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")
    assert "Not found" in response.content.decode()


def test_a_crash_outside_the_api_is_a_page_without_details(failing):
    response = failing.get("/crashes", headers={"X-Request-Id": "req-9"})
    assert response.status_code == 500
    assert response.headers["Content-Type"].startswith("text/html")
    assert "secret-of-the-server" not in response.content.decode()
    assert "req-9" in response.content.decode()
