"""The supervisor with real children that misbehave."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from taskmapr.stack import supervisor
from taskmapr.stack.children import spawn
from taskmapr.stack.errors import StackFailed
from taskmapr.stack.terminal import Terminal
from tests.stack.up_process import Process, is_alive, wait_until_gone

pytestmark = pytest.mark.req("OV-10")

SLEEP = "import time; time.sleep(600)"
STUBBORN = "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True);" + SLEEP
FORKS = (
    "import subprocess, sys; "
    f"print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}]).pid, flush=True); "
)
TELLS = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"

Start = Callable[..., Process]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Process] = []

    def start_(*words: str) -> Process:
        command = [sys.executable, "-m", "tests.stack.toy_stack", *words]
        started.append(Process(command, dict(os.environ)))
        return started[-1]

    yield start_
    for process in started:
        process.signal(signal.SIGKILL)


def pid_told(process: Process, name: str) -> int:
    return int(process.wait_for(f"{name:<9}| ").rpartition(" ")[2])


def test_lines_carry_the_name_of_who_speaks(start: Start) -> None:
    toy = start(r"talker=print('one\ntwo', end='', flush=True);" + SLEEP)
    assert toy.wait_for("one") == "talker   | one"
    toy.signal(signal.SIGTERM)
    toy.wait()
    assert "talker   | two" in toy.lines  # although its end of line never came


def test_a_child_that_ends_is_started_again_later_each_time(start: Start) -> None:
    toy = start("brief=raise SystemExit(3)")
    waits = [toy.wait_for("brief stopped (exit code 3)").split()[-2] for _ in range(3)]
    assert waits == ["0.5", "1", "2"]


def test_one_childs_death_leaves_the_others_alone(start: Start) -> None:
    toy = start("calm=" + TELLS, "--", "brief=raise SystemExit(1)")
    calm = pid_told(toy, "calm")
    toy.wait_for("brief stopped")
    toy.wait_for("brief stopped")
    assert is_alive(calm)


def test_what_a_dead_child_started_does_not_stay(start: Start) -> None:
    toy = start("parent=" + FORKS + "raise SystemExit(0)")
    grandchild = pid_told(toy, "parent")
    toy.wait_for("parent stopped")
    assert wait_until_gone({grandchild}, 5) == set()


def test_a_child_that_ignores_sigterm_is_killed(start: Start) -> None:
    toy = start("stubborn=" + STUBBORN)
    toy.wait_for("deaf")
    toy.signal(signal.SIGTERM)
    assert toy.wait() == 0
    assert toy.lines[-1] == "all stopped"


def test_later_waves_stop_first(start: Start) -> None:
    says = "import signal,sys,time; signal.signal(15, lambda *a: (print('bye'), sys.exit())); "
    toy = start(f"server={says}print('up');{SLEEP}", "--", f"program={says}print('up');{SLEEP}")
    toy.wait_for("program  | up")
    toy.wait_for("all started") if "all started" not in toy.lines else None
    toy.signal(signal.SIGINT)
    toy.wait()
    byes = [line for line in toy.lines if line.endswith("bye")]
    assert byes == ["program  | bye", "server   | bye"]


def test_children_die_with_a_killed_supervisor(start: Start) -> None:
    toy = start("child=" + TELLS)
    child = pid_told(toy, "child")
    toy.signal(signal.SIGKILL)
    assert wait_until_gone({child}, 5) == set()


class Vanishing:
    """Lives for a moment, and cannot be started again: its program has been removed."""

    name = "vanishing"
    patience_s = 1.0

    def __init__(self, starts: int) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.left = starts

    def start(self) -> None:
        self.left -= 1
        if self.process is not None:
            raise StackFailed("gone")
        self.process = spawn(
            [sys.executable, "-c", "import time; time.sleep(0.5)"], stdout=subprocess.DEVNULL
        )

    def ask_to_stop(self) -> None: ...


def test_starts_that_fail_after_a_long_life_wait_longer_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "_HEALTHY_AFTER_S", 0.02)
    monkeypatch.setattr(supervisor, "_BACKOFF_FIRST_S", 0.05)
    said, child = io.StringIO(), Vanishing(starts=4)
    kept = supervisor.Supervisor([[child]], terminal=Terminal(said))
    kept.wave_start(0)
    threading.Thread(target=lambda: (_until(lambda: child.left <= 0), kept.end())).start()
    kept.run()
    waits = [line.split()[-2] for line in said.getvalue().splitlines()]
    assert waits[:4] == ["0.05", "0.1", "0.2", "0.4"]


def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.02)
