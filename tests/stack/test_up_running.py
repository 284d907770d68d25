"""While `manage.py up` runs, with everything real: what it serves, and what it replaces."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.up_process import (
    COUNT_ADMINS,
    Up,
    health_of,
    is_alive,
    manage,
    status_of,
    wait_until_gone,
)

pytestmark = [pytest.mark.e2e, pytest.mark.req("OV-10")]


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    place = Path(tempfile.mkdtemp(prefix="taskmapr-up-"))
    started = Up(place).ready()
    yield started
    pids = started.pids()
    started.signal(signal.SIGKILL)
    wait_until_gone(pids)
    shutil.rmtree(place)


def test_it_says_how_to_sign_in_and_serves(up: Up) -> None:
    up.wait_for("Sign in: admin@taskmapr.local with password ")
    up.wait_for("Try it")
    assert status_of(up.port) == 200
    programs = {"web", "worker", "worker-tasks", "beat"}
    assert set(up.record()["children"]) == {"postgres", "redis", *programs}


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


def test_another_terminal_finds_the_database(up: Up) -> None:
    shell = manage("shell", "-v", "0", "-c", COUNT_ADMINS, data_dir=up.data_dir)
    assert (shell.returncode, shell.stdout.strip()) == (0, "1"), shell.stderr


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
