"""`manage.py up` with everything real: servers, web, worker, beat."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from taskmapr.stack.children import Account
from tests.stack.up_process import (
    COUNT_ADMINS,
    Process,
    Up,
    free_port,
    manage,
    status_of,
    wait_until_gone,
)

pytestmark = [pytest.mark.e2e, pytest.mark.req("OV-10")]


@dataclass(frozen=True)
class FirstStart:
    """What was seen when `up` ran in a new data directory. Tests start there one after another."""

    data_dir: Path
    mode_above: int
    postgres_owner: int


@pytest.fixture(scope="module")
def first() -> Iterator[FirstStart]:
    with tempfile.TemporaryDirectory(prefix="taskmapr-up-") as name:
        started = Up(Path(name) / "data").ready()
        started.wait_for("Sign in: admin@taskmapr.local with password ")
        owner = Path(f"/proc/{started.child_pid('postgres')}").stat().st_uid
        ends_whole(started, signal.SIGTERM)
        yield FirstStart(started.data_dir, Path(name).stat().st_mode & 0o777, owner)


@pytest.fixture
def prepared(first: FirstStart) -> Path:
    """A data directory that has been started in."""
    return first.data_dir


def ends_whole(up: Up, signum: signal.Signals) -> None:
    """The signal stops everything. SIGTERM, SIGINT and SIGHUP each end one of the starts below."""
    pids = up.pids()
    assert len(pids) > 6
    up.signal(signum)
    assert up.wait() == 0
    assert up.lines[-1].endswith("Stopped")
    assert wait_until_gone(pids) == set()
    assert not (up.data_dir / "stack.json").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="root's way of starting PostgreSQL")
def test_root_can_run_it_in_a_directory_that_is_closed_to_others(first: FirstStart) -> None:
    assert first.mode_above == 0o700
    assert first.postgres_owner != 0


def test_a_second_start_takes_no_more_than_two_cores_do_in_15_seconds(prepared: Path) -> None:
    second = Up(prepared).ready()
    spent_s = sum(_cpu_s(pid) for pid in second.pids())
    second.wait_for("Try it")
    assert not any("password" in line for line in second.lines)  # it was shown once
    assert status_of(second.port) == 200
    ends_whole(second, signal.SIGINT)
    # Of work, not of time: others may use the machine.
    assert 0 < spent_s < 30


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def test_killed_itself_it_takes_everything_along_and_starts_again(prepared: Path) -> None:
    up = Up(prepared).ready()
    pids = up.pids()
    up.signal(signal.SIGKILL)
    assert wait_until_gone(pids) == set()
    again = Up(prepared).ready()
    ends_whole(again, signal.SIGHUP)


def test_the_demo_says_when_nothing_runs(prepared: Path) -> None:
    demo = manage("demo", "--url", f"http://127.0.0.1:{free_port()}", data_dir=prepared)
    assert demo.returncode == 1
    assert "Is `make up` on?" in demo.stderr
    assert "Traceback" not in demo.stderr


def test_without_a_running_stack_one_line_says_so(prepared: Path) -> None:
    shell = manage("shell", "-v", "0", "-c", COUNT_ADMINS, data_dir=prepared)
    assert shell.returncode == 1
    assert "make up" in shell.stderr.strip().splitlines()[-1]
    assert "Traceback" not in shell.stderr


def test_a_port_in_use_is_one_line(prepared: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = Up(prepared, port=port)
        assert refused.wait() == 1
    assert f"Port {port} is in use" in "".join(refused.lines)
    assert "Traceback" not in "".join(refused.lines)


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = Up(tmp_path / "file" / "data")
    assert refused.wait() == 1
    assert len(refused.lines) == 1
    assert str(tmp_path / "file" / "data") in refused.lines[0]


def test_a_named_database_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    nowhere = f"postgresql://ada@127.0.0.1:{free_port()}/d?connect_timeout=2"
    refused = Up(tmp_path, DATABASE_URL=nowhere)
    assert refused.wait() == 1
    assert "The database does not answer" in refused.lines[-1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_can_run_it() -> None:
    daemon = pwd.getpwnam("daemon")
    with tempfile.TemporaryDirectory(prefix="taskmapr-user-") as name:
        os.chown(name, daemon.pw_uid, daemon.pw_gid)
        account = Account(daemon.pw_uid, daemon.pw_gid)
        started = Up(Path(name) / "data", account=account, HOME=name).ready()
        pids = started.pids()
        owners = set()
        for pid in pids:
            with suppress(FileNotFoundError):  # one that was over already
                owners.add(Path(f"/proc/{pid}").stat().st_uid)
        started.signal(signal.SIGTERM)
        assert started.wait() == 0
    assert owners == {daemon.pw_uid}
    assert wait_until_gone(pids) == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_user_without_a_name_is_one_line() -> None:
    with tempfile.TemporaryDirectory(prefix="taskmapr-user-") as name:
        os.chown(name, 54321, 54321)
        refused = Up(Path(name) / "data", account=Account(54321, 54321), HOME=name)
        assert refused.wait() == 1
    assert "54321" in refused.lines[-1]
    assert "/etc/passwd" in refused.lines[-1]


@pytest.mark.req("OV-74")
@pytest.mark.parametrize("server", ["granian", "daphne"])
def test_other_servers_serve_and_leave_nothing_behind(prepared: Path, server: str) -> None:
    started = Up(prepared, "--workers", "0", "--no-beat", TASKMAPR_ASGI_SERVER=server).ready()
    assert status_of(started.port) == 200
    pids = started.pids()
    started.signal(signal.SIGKILL)
    assert wait_until_gone(pids) == set()


@pytest.mark.req("OV-74")
def test_several_web_processes_listen_side_by_side(prepared: Path) -> None:
    started = Up(prepared, "--web", "2", "--workers", "0", "--no-beat").ready()
    second = Process([sys.executable, "-c", WAIT_FOR, str(started.port + 1)], dict(os.environ))
    assert second.wait() == 0
    assert status_of(started.port + 1) == 200
    started.signal(signal.SIGTERM)
    assert started.wait() == 0


WAIT_FOR = (
    "import socket, sys, time\n"
    "for _ in range(300):\n"
    "    with socket.socket() as s:\n"
    "        if s.connect_ex(('127.0.0.1', int(sys.argv[1]))) == 0: sys.exit(0)\n"
    "    time.sleep(0.1)\n"
    "sys.exit(1)\n"
)
