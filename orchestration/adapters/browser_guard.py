"""Ends a browser when whoever uses it is gone, however it went. A program of its own: the standard
library and nothing else.

    python browser_guard.py MARK FOLDER < pipe

The user of the browser holds the other end of the pipe. When that is closed, by hand or because its
process died, every process whose environment has `TASKMAPR_BROWSER_MARK=MARK` is killed, and FOLDER
is removed. Processes are found by their environment because browsers leave the process group of
whoever started them.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

VARIABLE: Final = "TASKMAPR_BROWSER_MARK"
_PATIENCE_S: Final = 5.0


def processes_with(mark: str) -> list[int]:
    """Ids of the processes that have this mark. None where there is no /proc."""
    wanted = f"{VARIABLE}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def browser_end(mark: str, folder: str) -> None:
    """No process with the mark is left, and the folder is gone."""
    until = time.monotonic() + _PATIENCE_S
    while (alive := processes_with(mark)) and time.monotonic() < until:
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)


def main(mark: str, folder: str) -> None:
    # Whoever stops a whole group of processes stops the user of the browser too; that is heard.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    browser_end(mark, folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
