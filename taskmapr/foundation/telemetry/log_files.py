"""Log files that every process of a machine writes to, rotated by whoever finds one full.

To say a line costs its formatting: a thread of the process writes what has gathered, a few times a
second at most, so that the lock between processes is taken once for many lines.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

from concurrent_log_handler import ConcurrentRotatingFileHandler

logger = logging.getLogger(__name__)

#: Seconds for which lines gather. A process that is killed loses those of this time.
GATHER_S: Final = 0.05
#: Lines that may wait while the disk is slow; more are dropped.
WAITING_MOST: Final = 20_000
#: Seconds that an ending process waits for its last lines to be written.
_LAST_S: Final = 5.0
#: Seconds between two warnings that a file cannot be written.
_COMPLAINT_S: Final = 60.0


class LogFile(logging.Handler):
    """Appends to `path`. Opens nothing before the first line."""

    def __init__(self, path: str, max_bytes: int, backups: int) -> None:
        """max_bytes: size at which a file is put aside; backups: how many of those are kept."""
        super().__init__()
        self._path = Path(path)
        self._max_bytes, self._backups = max_bytes, backups
        self._begin()
        # A forked process has neither the thread nor the lines, which its parent writes.
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._waiting: deque[str] = deque(maxlen=WAITING_MOST)
        self._said = threading.Event()
        self._writing = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._file: _Rotated | None = None
        self._quiet_until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._waiting.append(self.format(record))
        except Exception:
            self.handleError(record)
            return
        if self._thread is None:
            self._start()
        if not self._said.is_set():
            self._said.set()

    def flush(self) -> None:
        """What was said so far is written, unless the disk takes too long. Called at the end."""
        if self._thread is not None and self._writing.acquire(timeout=_LAST_S):
            try:
                self._write()
            finally:
                self._writing.release()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name=f"log-{self._path.stem}", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        while self._said.wait():
            time.sleep(GATHER_S)
            self._said.clear()
            with self._writing:
                self._write()

    def _write(self) -> None:
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not lines:
            return
        try:
            if self._file is None:
                self._file = self._opened()
            # One record of many lines: what the file takes is text.
            self._file.emit(logging.makeLogRecord({"msg": "\n".join(lines)}))
        except Exception as error:
            self._complain(error)

    def _opened(self) -> _Rotated:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return _Rotated(
            str(self._path), maxBytes=self._max_bytes, backupCount=self._backups, encoding="utf-8"
        )

    def _complain(self, error: Exception) -> None:
        """The same lines went to standard output, so nothing else is lost."""
        if time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + _COMPLAINT_S
            logger.warning("%s cannot be written: %s", self._path, error)


class _Rotated(ConcurrentRotatingFileHandler):
    """Says who asked it to write that it could not."""

    def handleError(self, record: logging.LogRecord) -> None:
        if (error := sys.exc_info()[1]) is not None:
            raise error
