"""`manage.py up` with everything real: servers, web, worker, beat."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskmapr.stack.children import Account
from tests.stack.up_process import ROOT, Process, Up, free_port, is_alive, wait_until_gone

pytestmark = [pytest.mark.e2e, pytest.mark.req("OV-10")]


@pytest.fixture(scope="module")
def prepared() -> Iterator[Path]:
    """A data directory that has been started in once; tests start in it one after another."""
    place = Path(tempfile.mkdtemp(prefix="taskmapr-up-"))
    first = Up(place).ready()
    first.wait_for("Sign in: admin@taskmapr.local with password ")
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    yield place
    shutil.rmtree(place)


@pytest.fixture
def up(prepared: Path) -> Iterator[Up]:
    started = Up(prepared).ready()
    yield started
    pids = started.pids()
    started.signal(signal.SIGKILL)
    wait_until_gone(pids)


def health_of(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def status_of(port: int, path: str = "/admin/login/") -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_it_serves_and_shows_the_admins_password_only_once(up: Up) -> None:
    up.wait_for("Try it")
    assert status_of(up.port) == 200
    assert not any("password" in line for line in up.lines)
    programs = {"web", "worker", "worker-tasks", "beat"}
    assert set(up.record()["children"]) == {"postgres", "redis", *programs}


def test_a_second_start_is_ready_within_15_seconds(prepared: Path) -> None:
    begun = time.monotonic()
    second = Up(prepared).ready()
    took = time.monotonic() - begun
    second.signal(signal.SIGTERM)
    second.wait()
    assert took < 15


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything(up: Up, signum: signal.Signals) -> None:
    pids = up.pids()
    assert len(pids) > 6
    up.signal(signum)
    assert up.wait() == 0
    assert up.lines[-1].endswith("Stopped")
    assert wait_until_gone(pids) == set()
    assert not (up.data_dir / "stack.json").exists()


def test_killed_itself_it_takes_everything_along(up: Up) -> None:
    pids = up.pids()
    up.signal(signal.SIGKILL)
    assert wait_until_gone(pids) == set()


def test_it_starts_again_after_having_been_killed(up: Up) -> None:
    up.signal(signal.SIGKILL)
    up.wait()
    again = Up(up.data_dir).ready()
    again.signal(signal.SIGTERM)
    assert again.wait() == 0


@pytest.mark.parametrize("name", ["web", "worker", "beat", "redis", "postgres"])
def test_a_child_that_dies_is_replaced_and_said(up: Up, name: str) -> None:
    old = up.child_pid(name)
    os.kill(old, signal.SIGKILL)
    line = up.wait_for(f"{name} stopped")
    assert "(killed by SIGKILL); starting it again in 0.5 s" in line
    deadline = time.monotonic() + 20
    while up.child_pid(name) == old and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_alive(up.child_pid(name))
    assert not is_alive(old)


def test_a_second_one_says_where_the_first_one_is(up: Up) -> None:
    second = Up(up.data_dir)
    assert second.wait() == 1
    assert [line for line in second.lines if line] == [
        f"CommandError: TaskMapr is already running at http://127.0.0.1:{up.port} "
        f"(process {up.pid})."
    ]
    assert status_of(up.port) == 200


@pytest.mark.req("OV-16", "OV-17", "OV-18")
def test_the_demo_streams_an_answer_from_the_running_server(up: Up) -> None:
    demo = manage("demo", data_dir=up.data_dir)
    assert demo.returncode == 0, demo.stderr
    assert "Ship the review of the quarter" in demo.stdout
    assert "[succeeded after " in demo.stdout


def test_the_demo_says_when_nothing_runs(prepared: Path) -> None:
    demo = manage("demo", "--url", f"http://127.0.0.1:{free_port()}", data_dir=prepared)
    assert demo.returncode == 1
    assert "Is `make up` on?" in demo.stderr
    assert "Traceback" not in demo.stderr


@pytest.mark.req("OV-59")
def test_it_is_healthy_when_it_says_ready(up: Up) -> None:
    assert health_of(up.port)["status"] == "healthy"


@pytest.mark.req("TQ-05", "TQ-18")
def test_tasks_with_processes_of_their_own_have_a_worker_of_their_own(up: Up) -> None:
    """Started beside the other, and counted with it as soon as it is there."""
    deadline = time.monotonic() + 60
    while (health := health_of(up.port))["workers"] < 2 and time.monotonic() < deadline:
        time.sleep(0.1)

    # A worker that another test has stopped may count for some seconds more.
    assert health["workers"] >= 2
    assert set(health["queue_depth"]) >= {"runs.overlay", "agent", "default", "browser", "long"}


def test_another_terminal_finds_the_database(up: Up) -> None:
    shell = manage("shell", "-v", "0", "-c", COUNT_ADMINS, data_dir=up.data_dir)
    assert (shell.returncode, shell.stdout.strip()) == (0, "1"), shell.stderr


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
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in pids}
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


@pytest.mark.skipif(os.geteuid() != 0, reason="root's way of starting PostgreSQL")
def test_root_can_run_it_in_a_directory_that_is_closed_to_others() -> None:
    with tempfile.TemporaryDirectory(prefix="taskmapr-closed-") as name:  # mode 0700
        started = Up(Path(name) / "data").ready()
        owner = Path(f"/proc/{started.child_pid('postgres')}").stat().st_uid
        started.signal(signal.SIGTERM)
        assert started.wait() == 0
    assert owner != 0


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


COUNT_ADMINS = (
    "from django.contrib.auth import get_user_model as g; "
    "print(g().objects.filter(is_superuser=True).count())"
)
WAIT_FOR = (
    "import socket, sys, time\n"
    "for _ in range(300):\n"
    "    with socket.socket() as s:\n"
    "        if s.connect_ex(('127.0.0.1', int(sys.argv[1]))) == 0: sys.exit(0)\n"
    "    time.sleep(0.1)\n"
    "sys.exit(1)\n"
)


def manage(*words: str, data_dir: Path) -> subprocess.CompletedProcess[str]:
    kept = {n: v for n, v in os.environ.items() if n not in {"DATABASE_URL", "REDIS_URL"}}
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        check=False,
        cwd=ROOT,
        env=kept | {"ENV": "dev", "TASKMAPR_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        timeout=60,
    )
