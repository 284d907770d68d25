import asyncio
import threading

import pytest
from django.core.handlers.asgi import ASGIHandler


@pytest.mark.urls("tests.foundation.failing_urls")
def test_an_async_request_is_in_its_view_before_any_thread_starts(quiet, monkeypatch):
    started: list[str] = []
    start = threading.Thread.start
    monkeypatch.setattr(
        threading.Thread, "start", lambda self: (started.append(self.name), start(self))[1]
    )
    before_answer: list[int] = []

    async def send(message):
        before_answer.append(len(started))

    asyncio.run(_get("/api/fine-async", send))
    assert before_answer[0] == 0


async def _get(path, send):
    told = False

    async def receive():
        nonlocal told
        if told:
            await asyncio.sleep(60)
        told = True
        return {"type": "http.request", "body": b""}

    handler = ASGIHandler()
    handler.load_middleware(is_async=True)
    headers = [(b"host", b"localhost")]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}
    await handler(scope, receive, send)
