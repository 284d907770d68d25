"""What runs in a data directory: `stack.json`, and the lock that one `up` holds at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from taskmapr.stack.errors import StackFailed

_LEFTOVER_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """One process, also after its number has been given to another one."""

    pid: int
    #: When the process began, in the words of the kernel or of ps.
    began: str

    @classmethod
    def of(cls, pid: int) -> ProcessMark:
        return cls(pid, _began(pid) or "")

    def is_alive(self) -> bool:
        return bool(self.began) and _began(self.pid) == self.began


@dataclass(slots=True)
class StackRecord:
    """`stack.json`: the supervisor, the addresses it serves and the processes it started."""

    supervisor: ProcessMark
    addresses: list[str]
    children: dict[str, ProcessMark] = field(default_factory=dict)

    @classmethod
    def read(cls, data_dir: Path) -> StackRecord | None:
        """None when nothing was started here, or the file cannot be understood."""
        try:
            kept = json.loads((data_dir / "stack.json").read_text())
            return cls(
                ProcessMark(**kept["supervisor"]),
                kept["addresses"],
                {name: ProcessMark(**mark) for name, mark in kept["children"].items()},
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, data_dir: Path) -> None:
        draft = data_dir / "stack.json.new"
        draft.write_text(json.dumps(asdict(self), indent=1))
        draft.rename(data_dir / "stack.json")

    def leftovers_stop(self) -> list[str]:
        """Ends what outlived a killed supervisor; returns the names of what was found."""
        found = {name: mark for name, mark in self.children.items() if mark.is_alive()}
        for mark in found.values():
            _group_signal(mark.pid, signal.SIGINT)
        deadline = time.monotonic() + _LEFTOVER_TIMEOUT_S
        while any(mark.is_alive() for mark in found.values()) and time.monotonic() < deadline:
            time.sleep(0.05)
        for mark in found.values():
            if mark.is_alive():
                _group_signal(mark.pid, signal.SIGKILL)
        return list(found)


def running_stack(data_dir: Path) -> StackRecord | None:
    """The record of a stack whose supervisor lives."""
    record = StackRecord.read(data_dir)
    return record if record and record.supervisor.is_alive() else None


def lock_take(data_dir: Path) -> IO[str]:
    """The lock of data_dir, held until the file is closed or this process ends.

    Raises StackFailed when another `up` holds it, naming where that one listens.
    """
    lock = (data_dir / "up.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        record = running_stack(data_dir)
        where = f" at {', '.join(record.addresses)}" if record else ""
        pid = f" (process {record.supervisor.pid})" if record else ""
        raise StackFailed(f"TaskMapr is already running{where}{pid}.") from None
    return lock


def _group_signal(pid: int, signum: signal.Signals) -> None:
    """Every child leads a process group of its own number."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signum)


def _began(pid: int) -> str | None:
    """None when there is no such process, or only its unread exit status."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else fields[19]
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
