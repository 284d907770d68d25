"""The one bridge from coroutines to sync code that uses the database, and the end of what was
cancelled.

A few threads, each with a connection of its own that it keeps from call to call. Django's
own bridge would serve a whole process with one thread, and hold a pooled connection for as long as
a stream lasts. A connection is checked before use when it was idle for more than `IDLE_S`, or when
its last statement failed; nothing is ever retried here.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from taskmapr.foundation.database_state import database_outages, database_suspect

P = ParamSpec("P")
R = TypeVar("R")

#: Seconds after which a kept connection is asked whether it still lives, before it is used.
IDLE_S: Final = 5.0
#: Functions of tools that work at once in one process. One that never ends keeps its thread.
TOOL_THREADS: Final = 16


class DatabaseThreads:
    """At most `size` threads; they start when wanted and end with `close`."""

    def __init__(self, size: int, name: str = "database") -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._last_used = threading.local()
        self._kept: set[BaseDatabaseWrapper] = set()

    async def run(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        call = partial(contextvars.copy_context().run, self._call, fn, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self) -> None:
        """Wait for calls under way, then close every connection. No call may come after."""
        self._pool.shutdown()
        for connection in self._kept:
            connection.close()

    def _call(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        self._renew()
        try:
            return fn(*args, **kwargs)
        finally:
            self._keep()
            self._last_used.at = time.monotonic()

    def _renew(self) -> None:
        """Drop a connection that the server has closed meanwhile; Django then makes a new one."""
        idle_s = time.monotonic() - getattr(self._last_used, "at", 0.0)
        outages = database_outages()
        is_older = getattr(self._last_used, "outages", 0) != outages
        self._last_used.outages = outages
        for connection in connections.all(initialized_only=True):
            doubtful = connection.errors_occurred or is_older or idle_s > IDLE_S
            if doubtful and connection.connection is not None and not connection.is_usable():
                connection.close()
                # A new one may take the pool's whole patience; this asks quickly.
                database_suspect()
            connection.errors_occurred = False

    def _keep(self) -> None:
        for connection in connections.all(initialized_only=True):
            if connection not in self._kept:
                connection.inc_thread_sharing()  # `close` runs in another thread
                self._kept.add(connection)


_lock = threading.Lock()
_threads: DatabaseThreads | None = None
_tool_threads: DatabaseThreads | None = None


async def in_database(fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a sync function that may use the ORM, in a thread with a kept connection.

    Works in any event loop, inside requests and outside. The function sees the caller's context
    variables; what it sets in them stays with it. Give it a whole transaction, not a part of one.
    A cancelled caller stops waiting, but the function runs to its end.

    With `settings.TASKMAPR_AIO_INLINE` it runs in the thread that called `async_to_sync`: in a test
    that is the thread whose transaction is rolled back.
    """
    if getattr(settings, "TASKMAPR_AIO_INLINE", False):
        return await sync_to_async(fn)(*args, **kwargs)
    return await _running().run(fn, *args, **kwargs)


async def in_tool_thread(call: Callable[[], R]) -> R:
    """The same for functions of others, which may take long: in threads of their own."""
    if getattr(settings, "TASKMAPR_AIO_INLINE", False):
        return await sync_to_async(call)()
    return await _running_tools().run(call)


def require_not_cancelled() -> None:
    """Raises CancelledError where the running task was cancelled and goes on all the same.

    A task is cancelled once, and a library that awaits may lose that: `asyncio.wait_for` of Python
    3.11 does when its result comes at the same moment, and redis-py makes a time-out of it while it
    connects. For places in front of long waits.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def shutdown() -> None:
    """Close the threads and their connections. A later call of `in_database` starts anew."""
    global _threads, _tool_threads
    with _lock:
        threads, _threads = _threads, None
        tools, _tool_threads = _tool_threads, None
    for pool in (threads, tools):
        if pool is not None:
            pool.close()


def _running() -> DatabaseThreads:
    global _threads  # noqa: PLW0603 - one pool per process is the point
    with _lock:
        if _threads is None:
            ours: Any = settings.TASKMAPR
            _threads = DatabaseThreads(ours["database_threads"])
        return _threads


def _running_tools() -> DatabaseThreads:
    global _tool_threads  # noqa: PLW0603 - as above
    with _lock:
        if _tool_threads is None:
            _tool_threads = DatabaseThreads(TOOL_THREADS, name="tool")
        return _tool_threads
