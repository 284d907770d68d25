from __future__ import annotations

import threading

import pytest
from django.db import connection

from taskmapr.stack import beat_lock
from taskmapr.stack.beat_lock import BeatLock

pytestmark = pytest.mark.django_db


def test_one_beat_of_a_database_holds_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beat_lock, "_RETRY_S", 0.01)
    first, second = BeatLock(), BeatLock()
    assert first.try_take()
    assert not second.try_take()
    first.release()
    # The server lets go when it notices the end of the connection, a moment later.
    second.take()
    second.release()


def test_one_that_stands_by_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beat_lock, "_RETRY_S", 0.01)
    first, second = BeatLock(), BeatLock()
    first.take()
    taken = threading.Event()
    waiting = threading.Thread(target=lambda: (second.take(), taken.set()))
    waiting.start()
    assert not taken.wait(0.1)
    first.release()
    assert taken.wait(5)
    waiting.join()
    second.release()


def test_a_broken_connection_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beat_lock, "_LOOK_S", 0.01)
    lock, lost = BeatLock(), threading.Event()
    lock.take()
    watcher = lock.watch(lost.set)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks "
            "WHERE locktype = 'advisory' AND pid <> pg_backend_pid() AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    assert lost.wait(5)
    watcher.join()
