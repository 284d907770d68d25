import asyncio
from uuid import UUID

import pytest
from django.core.handlers.asgi import ASGIHandler

from taskmapr.foundation.bodies import body_limited
from taskmapr.foundation.paths import is_api_path


@pytest.mark.req("OV-07", "VB-83")
@pytest.mark.parametrize("sent", ["a", "A-b_c.9", "x" * 128])
def test_a_well_formed_request_id_is_echoed(failing, sent):
    response = failing.get("/api/echo", headers={"X-Request-Id": sent})
    assert response.headers["X-Request-Id"] == sent


@pytest.mark.req("OV-07", "VB-83")
@pytest.mark.parametrize("sent", ["", "x" * 129, "with space", "semi;colon", "ümlaut", "a\n"])
def test_any_other_is_replaced_by_a_uuid(failing, sent):
    response = failing.get("/api/echo", headers={"X-Request-Id": sent})
    assert UUID(response.headers["X-Request-Id"])


@pytest.mark.req("OV-09")
@pytest.mark.parametrize(
    "path",
    ["/api/echo", "/api/echo/", "/pages/bare", "/pages/bare/", "/pages/slashed", "/pages/slashed/"],
)
def test_both_spellings_of_a_path_answer_without_a_redirect(failing, path):
    assert failing.get(path).status_code == 200


@pytest.mark.req("OV-07", "OV-51")
def test_a_name_that_no_store_can_hold_is_not_found(client):
    for path in ("/api/history/a%00b", "/problems/a%00b"):
        assert client.get(path).status_code == 404


@pytest.mark.req("OV-09")
def test_a_post_with_a_slash_keeps_its_body(failing):
    response = failing.post("/api/echo/", {"a": 1}, content_type="application/json")
    assert response.json() == {"a": 1}


@pytest.mark.req("OV-08")
def test_a_declared_body_over_the_limit_is_413(failing, settings):
    settings.TASKMAPR = {**settings.TASKMAPR, "max_body_bytes": 100}
    response = failing.post("/api/echo", {"a": "x" * 100}, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")


@pytest.mark.req("OV-08")
@pytest.mark.parametrize("length", ["-1", "many", "²", "٣", "9" * 5000])
def test_a_content_length_that_is_no_number_is_400(failing, length):
    response = failing.get("/api/echo", CONTENT_LENGTH=length)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")


def test_an_unknown_host_is_400_and_a_problem(failing):
    response = failing.get("/api/echo", headers={"Host": "evil.example"})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api", True),
        ("/api/", True),
        ("/api/v1/x", True),
        ("/apis", False),
        ("/health", True),
        ("/healthy", False),
        ("/admin/api/", False),
    ],
)
def test_is_api_path(path, expected):
    assert is_api_path(path) is expected


def _post(chunks: list[bytes], *headers: tuple[bytes, bytes]) -> tuple[int, bytes, int]:
    """(status, body, how many chunks were read) of a chunked POST to /api/echo over ASGI."""
    read = 0
    sent: list[dict] = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/echo",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json"), *headers],
    }

    async def receive():
        nonlocal read
        if read == len(chunks):
            await asyncio.sleep(60)
        read += 1
        more = read < len(chunks)
        return {"type": "http.request", "body": chunks[read - 1], "more_body": more}

    async def send(message):
        sent.append(message)

    handler = ASGIHandler()
    handler.load_middleware(is_async=True)
    asyncio.run(body_limited(handler)(scope, receive, send))
    return sent[0]["status"], b"".join(m.get("body", b"") for m in sent[1:]), read


@pytest.mark.req("OV-08")
def test_a_chunked_body_is_parsed_though_its_length_is_unknown(failing):
    status, body, _ = _post([b'{"a":', b"1}"])
    assert (status, body) == (200, b'{"a":1}')


@pytest.mark.req("OV-08")
def test_a_chunked_body_is_read_only_up_to_the_limit(failing, settings):
    settings.TASKMAPR = {**settings.TASKMAPR, "max_body_bytes": 100}
    status, body, read = _post([b"x" * 60] * 50)
    assert status == 413
    assert b'"code":"payload_too_large"' in body
    assert read == 2


@pytest.mark.req("OV-08")
def test_a_declared_length_over_the_limit_is_refused_unread(failing, settings):
    settings.TASKMAPR = {**settings.TASKMAPR, "max_body_bytes": 100}
    status, _, read = _post([b"x" * 200], (b"content-length", b"200"))
    assert (status, read) == (413, 0)


@pytest.mark.req("OV-08")
@pytest.mark.parametrize("length", ["²".encode("latin-1"), b"9" * 5000])
def test_a_declared_length_that_is_no_number_is_400(failing, length):
    status, body, _ = _post([b"{}"], (b"content-length", length))
    assert (status, b'"code":"invalid_request"' in body) == (400, True)


@pytest.mark.parametrize("path", ["/api/echo", "/api/nowhere"])
def test_an_answer_tells_its_length(failing, path):
    response = failing.get(path)
    assert response.headers["Content-Length"] == str(len(response.content))
