"""`manage.py up` as a person runs it: its own process, its lines, its children."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from taskmapr.stack.children import Account, is_reachable, spawn

ROOT = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 60.0
#: For `manage.py shell -c`.
COUNT_ADMINS = (
    "from django.contrib.auth import get_user_model as g; "
    "print(g().objects.filter(is_superuser=True).count())"
)


class Process:
    """A command whose lines can be waited for."""

    def __init__(
        self, command: list[str], env: dict[str, str], account: Account | None = None
    ) -> None:
        self._popen = spawn(
            command,
            stdout=subprocess.PIPE,
            env=env,
            cwd=ROOT,
            account=account,
            keep_reach=account is not None and not is_reachable(Path(sys.executable).resolve()),
        )
        self.pid = self._popen.pid
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            self._queue.put(line.decode(errors="replace").rstrip("\n"))
        self._queue.put(None)

    def wait_for(self, text: str) -> str:
        """The next line that has the text."""
        deadline = time.monotonic() + _TIMEOUT_S
        while True:
            line = self._queue.get(timeout=max(0.01, deadline - time.monotonic()))
            if line is None:
                raise AssertionError(f"ended without {text!r}:\n" + "\n".join(self.lines))
            self.lines.append(line)
            if text in line:
                return line

    def signal(self, signum: signal.Signals) -> None:
        self._popen.send_signal(signum)

    def wait(self) -> int:
        code = self._popen.wait(_TIMEOUT_S)
        while (line := self._queue.get(timeout=5)) is not None:
            self.lines.append(line)
        return code


class Up(Process):
    """Always in a data directory of the test's, on a port that was free."""

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        account: Account | None = None,
        port: int | None = None,
        **env: str,
    ) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        kept = {n: v for n, v in os.environ.items() if n not in {"DATABASE_URL", "REDIS_URL"}}
        values = {"ENV": "dev", "TASKMAPR_DATA_DIR": str(data_dir), "PORT": str(self.port)}
        command = [sys.executable, "manage.py", "up", *options]
        super().__init__(command, kept | values | env, account)

    def ready(self) -> Up:
        self.wait_for("Ready after")
        return self

    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data_dir / "stack.json").read_text())
        return found

    def child_pid(self, name: str) -> int:
        return int(self.record()["children"][name]["pid"])

    def pids(self) -> set[int]:
        """Everything that runs because of it, itself included."""
        found = {self.pid}
        while more := {pid for pid, parent in _parents().items() if parent in found} - found:
            found |= more
        return found


def _parents() -> dict[int, int]:
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[int(stat.parent.name)] = int(fields[1])
    return found


def is_alive(pid: int) -> bool:
    """A process whose exit status nobody has read yet is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_gone(pids: set[int], timeout_s: float = 20) -> set[int]:
    """What is still there in the end."""
    deadline = time.monotonic() + timeout_s
    while (left := {pid for pid in pids if is_alive(pid)}) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
