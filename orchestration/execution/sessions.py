"""Ending a process together with everything that it started, by the session that it leads."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
#: Looked again so often, because who is being killed may just have started somebody.
_ROUNDS: Final = 100
_ROUND_S: Final = 0.01


def session_members(session_id: int) -> list[int]:
    """Processes of this session, also those that lead groups of their own in it, as browsers do.

    Only Linux tells; elsewhere the list is empty.
    """
    return [pid for pid in _pids() if _session_of(pid) == session_id]


def session_end(session_id: int) -> None:
    """Every process of the session is killed. Its leader goes last, and may be the caller."""
    if not _PROC.joinpath("self", "stat").exists():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(session_id, signal.SIGKILL)
        return
    for _ in range(_ROUNDS):
        members = session_members(session_id)
        for pid in sorted(members, key=lambda pid: pid == session_id):
            _kill(pid)
        if not members:
            return
        time.sleep(_ROUND_S)


def _pids() -> list[int]:
    return [int(path.name) for path in _PROC.glob("[0-9]*")]


def _session_of(pid: int) -> int | None:
    """None: the process is gone, or only waits to be looked after by its parent."""
    try:
        stat = _PROC.joinpath(str(pid), "stat").read_text()
    except OSError:
        return None
    # The name in brackets may hold anything; what follows does not.
    state, _, _, session, *_ = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(session)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
