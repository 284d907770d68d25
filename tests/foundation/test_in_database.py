import asyncio
import threading
import time
from contextvars import ContextVar

import pytest
from django.db import connection

from taskmapr.foundation import aio
from taskmapr.foundation.aio import in_database
from taskmapr.users.models import User

_word: ContextVar[str] = ContextVar("word", default="none")


@pytest.fixture
def real_threads(settings, transactional_db):
    settings.TASKMAPR_AIO_INLINE = False
    yield
    aio.shutdown()


def _backend_pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


@pytest.mark.django_db
async def test_inline_it_shares_the_transaction_of_the_test():
    await in_database(User.objects.create_user, "ada@example.org")
    assert await in_database(User.objects.count) == 1


@pytest.mark.django_db
def test_inline_left_nothing_behind():
    assert User.objects.count() == 0


def test_passes_arguments_results_and_context(real_threads):
    _word.set("bound")

    async def call():
        return await in_database(lambda a, *, b: (a, b, _word.get()), 1, b=2)

    assert asyncio.run(call()) == (1, 2, "bound")


def test_raises_what_the_function_raises(real_threads):
    def fail():
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        asyncio.run(in_database(fail))


@pytest.mark.req("OV-75")
def test_keeps_its_connections_and_never_has_more_than_its_threads(real_threads, settings):
    settings.TASKMAPR = {**settings.TASKMAPR, "database_threads": 2}

    async def calls():
        return await asyncio.gather(*(in_database(_backend_pid) for _ in range(40)))

    pids = set(asyncio.run(calls()))
    assert len(pids) <= 2
    assert set(asyncio.run(calls())) <= pids | set(asyncio.run(calls()))


@pytest.mark.req("OV-75")
def test_a_connection_that_died_while_idle_is_replaced_before_use(real_threads, monkeypatch):
    monkeypatch.setattr(aio, "IDLE_S", 0.0)

    async def calls():
        pid = await in_database(_backend_pid)
        await asyncio.to_thread(_terminate, pid)
        return pid, await in_database(_backend_pid)

    monkeypatch.setattr(aio.settings, "TASKMAPR", {**aio.settings.TASKMAPR, "database_threads": 1})
    before, after = asyncio.run(calls())
    assert before != after


def test_a_connection_that_failed_is_checked_before_its_next_use(real_threads, monkeypatch):
    monkeypatch.setattr(aio.settings, "TASKMAPR", {**aio.settings.TASKMAPR, "database_threads": 1})

    async def calls():
        pid = await in_database(_backend_pid)
        await asyncio.to_thread(_terminate, pid)
        with pytest.raises(Exception, match=r"terminat|closed"):
            await in_database(_backend_pid)  # not idle, so not checked: told, never retried
        return await in_database(_backend_pid)

    assert asyncio.run(calls())


def test_does_not_block_the_loop(real_threads):
    async def calls():
        began, may_end = threading.Event(), threading.Event()

        def wait():
            began.set()
            return may_end.wait(20)

        slow = asyncio.ensure_future(in_database(wait))
        while not began.is_set():
            await asyncio.sleep(0.01)
        may_end.set()  # by the loop, while the call is at work
        return await slow

    assert asyncio.run(calls())


@pytest.mark.req("OV-75")
def test_shutdown_closes_every_connection_and_work_can_begin_again(real_threads):
    async def pids():
        return set(await asyncio.gather(*(in_database(_backend_pid) for _ in range(20))))

    first = asyncio.run(pids())
    aio.shutdown()
    assert _alive(first) == 0
    assert not [t for t in threading.enumerate() if t.name.startswith("database")]
    assert asyncio.run(pids())


def _terminate(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 2000)", [pid])
    connection.close()


def _alive(pids: set[int]) -> int:
    """How many of these server processes are left, once they have had time to leave."""
    for _ in range(50):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)", [list(pids)]
            )
            left = cursor.fetchone()[0]
        if not left:
            break
        time.sleep(0.05)
    return left
