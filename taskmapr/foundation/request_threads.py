"""Threads for the sync parts of ASGI requests, lent from request to request.

asgiref would start one thread for each request that has a sync part, and another to wait for its
end. Django closes every response in such a thread; where nothing else was done in one, the response
is closed where it was sent.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, Final, ParamSpec, TypeVar, cast

from asgiref.sync import ThreadSensitiveContext
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler
from django.http.response import HttpResponseBase

from taskmapr.foundation.aio import require_not_cancelled

P = ParamSpec("P")
R = TypeVar("R")

#: Threads that are kept while nobody uses them.
SPARE_THREADS: Final = 32


class RequestThreads:
    """Spare threads. As many may be lent at once as there are requests with sync parts."""

    def __init__(self, spare: int = SPARE_THREADS) -> None:
        self._most = spare
        self._spare: deque[ThreadPoolExecutor] = deque()
        self._lock = threading.Lock()

    def take(self) -> ThreadPoolExecutor:
        """One thread of its own, the warmest first."""
        with self._lock:
            if self._spare:
                return self._spare.pop()
        return ThreadPoolExecutor(1, thread_name_prefix="request")

    def give_back(self, thread: ThreadPoolExecutor) -> None:
        with self._lock:
            if len(self._spare) < self._most:
                self._spare.append(thread)
                return
        thread.shutdown(wait=False)


class _ThreadOfRequest(Executor):
    """One request's thread: lent when first wanted, and given back when its last call is over."""

    def __init__(self, threads: RequestThreads) -> None:
        self._threads = threads
        self._thread: ThreadPoolExecutor | None = None
        self._last: Future[Any] | None = None
        #: The answer was sent, or never will be: what may still come is that it is closed.
        self.is_answered = False

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        if self._thread is None:
            if self.is_answered:
                return _done_here(fn, *args, **kwargs)
            self._thread = self._threads.take()
        call = self._thread.submit(fn, *args, **kwargs)
        self._last = call
        return call

    def end(self) -> None:
        """No call comes any more. One whose caller went away may still be at work."""
        thread, self._thread = self._thread, None
        if thread is not None and self._last is not None:
            self._last.add_done_callback(lambda _: self._threads.give_back(thread))


def _done_here(fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
    """In the caller's thread, which is the event loop's. No connection was opened in a thread of
    the request, so closing its response has nothing to wait for, and going to a thread for it would
    cost twice what a query costs.

    Returns a future of the loop, which whoever runs something in an executor takes as it is: one of
    a thread would be waited for, for three rounds of the loop.
    """
    done: Any = asyncio.get_running_loop().create_future()
    try:
        done.set_result(fn(*args, **kwargs))
    except Exception as error:
        done.set_exception(error)
    return cast("Future[R]", done)


_of_request: ContextVar[_ThreadOfRequest] = ContextVar("thread_of_request")


class LendingHandler(ASGIHandler):
    """Django's ASGI application, whose requests lend their threads.

    A client that leaves is noticed, also when the view lost its cancellation: nobody would stop a
    stream to such a client.
    """

    def __init__(self) -> None:
        super().__init__()
        self._threads = RequestThreads()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise ValueError(f"Django serves no {scope['type']} connections.")
        thread = _ThreadOfRequest(self._threads)
        _of_request.set(thread)
        try:
            async with ThreadSensitiveContext(executor=thread):
                await self.handle(scope, receive, send)
        finally:
            thread.end()

    async def listen_for_disconnect(self, receive: Any) -> None:
        """Servers tell a disconnect after every answer as well. Raised then it tells nobody
        anything, and holds all of the request in a circle: the error knows the frame of `handle`,
        which knows the task that raised it."""
        try:
            await super().listen_for_disconnect(receive)
        except RequestAborted:
            if not _of_request.get().is_answered:
                raise

    async def send_response(self, response: HttpResponseBase, send: Any) -> None:
        """Django closes the response after this, however it ends."""
        try:
            require_not_cancelled()
            await super().send_response(response, send)
        finally:
            _of_request.get().is_answered = True
