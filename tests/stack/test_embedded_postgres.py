from __future__ import annotations

import os
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from taskmapr.stack.errors import StackFailed
from taskmapr.stack.places import socket_directory
from taskmapr.stack.postgres import EmbeddedPostgres
from tests.stack.up_process import Process, wait_until_gone

pytestmark = pytest.mark.req("OV-10")


@pytest.fixture
def place() -> Iterator[Path]:
    """Short enough for a socket, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="taskmapr-pg-") as name:
        yield Path(name)


def test_what_was_written_is_there_after_a_restart(place: Path) -> None:
    server = EmbeddedPostgres(place)
    server.start()
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute("CREATE TABLE t AS SELECT '[1,2]'::vector AS v")
    server.stop()
    again = EmbeddedPostgres(place)
    again.start()
    with psycopg.connect(again.url) as connection:
        assert connection.execute("SELECT v::text FROM t").fetchone() == ("[1,2]",)
    again.stop()


def test_it_listens_where_only_its_user_reaches_it(place: Path) -> None:
    server = EmbeddedPostgres(place, durable=False)
    server.start()
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    server.stop()
    assert stat.S_IMODE((place / "run").stat().st_mode) == 0o700


def test_a_long_path_puts_the_socket_elsewhere(place: Path) -> None:
    deep = place / ("d" * 60) / ("e" * 60)
    server = EmbeddedPostgres(deep, durable=False)
    server.start()
    psycopg.connect(server.url).close()
    server.stop()
    assert not socket_directory(deep).is_relative_to(deep)
    assert not socket_directory(deep).exists()


def test_an_interrupted_first_start_is_begun_anew(place: Path) -> None:
    (place / "postgres.new").mkdir()
    (place / "postgres.new" / "half").touch()
    server = EmbeddedPostgres(place, durable=False)
    server.start()
    server.stop()
    assert not (place / "postgres.new").exists()


def test_a_number_that_another_process_has_now_does_not_keep_it_from_starting(place: Path) -> None:
    server = EmbeddedPostgres(place, durable=False)
    server.start()
    server.stop()
    (place / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{place}\n")
    server.start()
    server.stop()


def test_files_that_are_damaged_are_one_line(place: Path) -> None:
    server = EmbeddedPostgres(place, durable=False)
    server.start()
    server.stop()
    (place / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(StackFailed, match=r"PostgreSQL did not start: .*pg_control"):
        server.start()


def test_it_ends_with_the_process_that_started_it(place: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from taskmapr.stack.postgres import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(Path(sys.argv[1]))\n"
        "server.start(); print('pid', server.process.pid, flush=True); time.sleep(600)"
    )
    owner = Process([sys.executable, "-c", code, str(place)], dict(os.environ))
    pid = int(owner.wait_for("pid ").split()[1])
    owner.signal(signal.SIGKILL)
    assert wait_until_gone({pid}, 10) == set()
