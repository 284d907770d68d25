"""Threads that ASGI requests lend: made once, one request at a time."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from taskmapr.foundation.request_threads import (
    LendingHandler,
    RequestThreads,
    _ThreadOfRequest,
)


async def _request(threads: RequestThreads, *calls: Any) -> list[Any]:
    thread = _ThreadOfRequest(threads)
    try:
        async with ThreadSensitiveContext(executor=thread):
            return [await sync_to_async(call)() for call in calls]
    finally:
        thread.end()


def test_requests_in_turn_share_one_thread() -> None:
    async def scene() -> set[int]:
        threads = RequestThreads()
        idents = [await _request(threads, threading.get_ident) for _ in range(5)]
        return {ident for (ident,) in idents}

    assert len(asyncio.run(scene())) == 1


def test_a_request_stays_on_its_thread() -> None:
    found = asyncio.run(_request(RequestThreads(), threading.get_ident, threading.get_ident))
    assert found[0] == found[1] != threading.get_ident()


def test_requests_at_once_do_not_wait_for_each_other() -> None:
    # It is passed only when all three are in their threads at the same time.
    barrier = threading.Barrier(3, timeout=10)

    async def scene() -> None:
        threads = RequestThreads()
        await asyncio.gather(*(_request(threads, barrier.wait) for _ in range(3)))

    asyncio.run(scene())


def test_a_thread_at_work_for_somebody_who_left_is_lent_to_nobody() -> None:
    entered, leave = threading.Event(), threading.Event()

    def busy() -> int:
        entered.set()
        leave.wait(10)
        return threading.get_ident()

    async def scene() -> tuple[int, int]:
        threads = RequestThreads()
        idents: list[int] = []
        left = asyncio.create_task(_request(threads, lambda: idents.append(busy())))
        await asyncio.to_thread(entered.wait, 10)
        left.cancel()
        await asyncio.wait([left])
        (other,) = await asyncio.wait_for(_request(threads, threading.get_ident), 10)
        leave.set()
        while not idents:
            await asyncio.sleep(0.01)
        return idents[0], other

    busy_thread, other = asyncio.run(scene())
    assert busy_thread != other


def test_only_so_many_spare_threads_are_kept() -> None:
    threads = RequestThreads(spare=1)
    first, second = threads.take(), threads.take()
    threads.give_back(first)
    threads.give_back(second)

    assert threads.take() is first
    assert second._shutdown


begun, closed = asyncio.Event(), threading.Event()
#: Of the requests for `plain`: what was made, and the threads that closed it.
made: list[weakref.ref[HttpResponse]] = []
closed_in: list[int] = []


async def deaf(request: HttpRequest) -> StreamingHttpResponse:
    """Loses its cancellation, as `asyncio.wait_for` of Python 3.11 may."""
    begun.set()
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    response = StreamingHttpResponse(_endless())
    response._resource_closers.append(closed.set)
    return response


async def _endless() -> AsyncIterator[bytes]:
    yield b"a"
    await asyncio.Event().wait()


async def plain(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(b"here")
    response._resource_closers.append(lambda: closed_in.append(threading.get_ident()))
    made.append(weakref.ref(response))
    return response


def from_thread(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(str(threading.get_ident()))
    response._resource_closers.append(lambda: closed_in.append(threading.get_ident()))
    return response


urlpatterns = [path("deaf", deaf), path("api/plain", plain), path("from-thread", from_thread)]


async def _get(url: str, left: asyncio.Event | None = None) -> list[Any]:
    """What was sent. The server tells a disconnect when the client has `left`, and after the last
    of the answer, as servers do."""
    sent: list[Any] = []
    is_over = left or asyncio.Event()
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])
    scope = {
        "type": "http",
        "method": "GET",
        "path": url,
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }

    async def receive() -> Any:
        if (message := next(asked, None)) is not None:
            return message
        await is_over.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            is_over.set()

    async with asyncio.timeout(10):
        await LendingHandler()(scope, receive, send)
    return sent


@pytest.mark.req("OV-23")
@pytest.mark.urls(__name__)
def test_a_client_that_left_gets_no_stream_from_a_view_that_did_not_notice() -> None:
    assert asyncio.run(_get("/deaf", left=begun)) == []
    assert closed.is_set()


@pytest.mark.urls(__name__)
@pytest.mark.usefixtures("quiet")
def test_a_response_that_needed_no_thread_is_closed_where_it_was_sent() -> None:
    closed_in.clear()

    assert asyncio.run(_get("/api/plain"))[-1]["body"] == b"here"

    assert closed_in == [threading.get_ident()]


@pytest.mark.urls(__name__)
def test_what_a_thread_made_is_closed_in_that_thread() -> None:
    closed_in.clear()

    sent = asyncio.run(_get("/from-thread"))

    assert closed_in == [int(sent[-1]["body"])]
    assert closed_in != [threading.get_ident()]


@pytest.mark.urls(__name__)
@pytest.mark.usefixtures("nobody_collects")
def test_a_request_that_was_answered_goes_by_itself() -> None:
    made.clear()

    asyncio.run(_get("/api/plain"))

    assert [response() for response in made] == [None]
