import asyncio
import gc
import weakref

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import AsyncClient, AsyncRequestFactory
from rest_framework.request import Request

from taskmapr.foundation import aio
from taskmapr.foundation.api import StreamingAPIView
from taskmapr.users.models import User
from taskmapr.users.tokens import access_token_make

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.foundation.failing_urls"),
]


async def test_streams_with_the_principal_and_the_parsed_body(as_ada):
    response = await AsyncClient().post(
        "/api/streams", {"word": "hello"}, content_type="application/json", headers=as_ada
    )
    body = b"".join([chunk async for chunk in response.streaming_content])
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/event-stream"
    assert body == b"ada@example.org said hello"


async def test_may_answer_plain_json(as_ada):
    response = await AsyncClient().get("/api/streams", headers=as_ada)
    assert response.json() == {"email": "ada@example.org"}


@pytest.mark.req("OV-07", "OV-08")
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_token"),
        ({"Authorization": "Basic x"}, "invalid_scheme"),
        ({"Authorization": "Bearer x"}, "invalid_token"),
    ],
)
async def test_refuses_strangers_before_the_handler(headers, code):
    response = await AsyncClient().get("/api/streams", headers=headers)
    assert (response.status_code, response.json()["code"]) == (401, code)
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.req("OV-08")
@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [("{", "application/json", 400), ("{}", "text/plain", 415)],
)
async def test_refuses_bodies_before_the_handler(as_ada, body, kind, status):
    response = await AsyncClient().post("/api/streams", body, content_type=kind, headers=as_ada)
    assert response.status_code == status


@pytest.mark.req("OV-07")
async def test_errors_of_the_handler_are_problems(as_ada):
    response = await AsyncClient().get("/api/streams?fail=known", headers=as_ada)
    assert (response.status_code, response.json()["code"]) == (409, "session_busy")


@pytest.mark.req("OV-07")
async def test_unforeseen_errors_are_logged_and_not_told(as_ada, caplog):
    response = await AsyncClient().get("/api/streams?fail=badly", headers=as_ada)
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "secret-of-the-server" not in response.content.decode()
    assert "secret-of-the-server" in caplog.text


@pytest.mark.req("OV-08")
async def test_other_methods_are_405(as_ada):
    response = await AsyncClient().put("/api/streams", headers=as_ada)
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, POST, HEAD, OPTIONS"


class Open(StreamingAPIView):
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    async def get(self, request):
        return HttpResponse("here")


async def test_an_answered_request_goes_without_the_collector():
    request = AsyncRequestFactory().get("/")
    left = weakref.ref(request)
    gc.disable()
    try:
        assert (await Open.as_view()(request)).content == b"here"
        del request
        assert left() is None
    finally:
        gc.enable()


@pytest.mark.req("OV-75")
def test_an_open_stream_holds_no_connection(settings, transactional_db):
    settings.TASKMAPR_AIO_INLINE = False
    settings.TASKMAPR = {**settings.TASKMAPR, "database_threads": 2}
    ada = User.objects.create_user("ada@example.org")
    headers = {"Authorization": f"Bearer {access_token_make(ada.pk).text}"}

    async def begun():
        post = AsyncClient().post
        body = {"word": "hello"}
        kind = "application/json"
        return await post("/api/streams", body, content_type=kind, headers=headers)

    async def eight_at_once():
        streams = [await begun() for _ in range(8)]  # none is read, so none has ended
        others = [await begun() for _ in range(8)]
        return [response.status_code for response in streams + others]

    try:
        assert asyncio.run(eight_at_once()) == [200] * 16
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert cursor.fetchone()[0] <= 2
    finally:
        aio.shutdown()


def test_a_sync_handler_is_refused_at_start():
    class Wrong(StreamingAPIView):
        def get(self, request: Request):
            raise NotImplementedError

    with pytest.raises(TypeError, match="coroutine"):
        Wrong.as_view()
