"""Keeps children running: starts them together, shows what they say, replaces those that die."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Protocol

from taskmapr.stack.children import spawn
from taskmapr.stack.errors import StackFailed
from taskmapr.stack.terminal import Terminal

_POLL_S = 0.25
_BACKOFF_FIRST_S = 0.5
_BACKOFF_MAX_S = 30.0
#: A child that lived so long died of something new: its back-off begins anew.
_HEALTHY_AFTER_S = 60.0
_READ_BYTES = 65536
_LINE_BYTES_MAX = 65536


class Child(Protocol):
    """Something that runs in a process of its own."""

    @property
    def name(self) -> str: ...

    @property
    def process(self) -> subprocess.Popen[bytes] | None: ...

    def start(self) -> None:
        """Raises StackFailed when it cannot start now."""

    def ask_to_stop(self) -> None: ...

    #: Seconds that it may take to end after it was asked.
    patience_s: float


class Program:
    """A child that speaks through a pipe, so that its lines get its name."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path,
        patience_s: float = 15.0,
    ) -> None:
        self.name = name
        self.process: subprocess.Popen[bytes] | None = None
        self.patience_s = patience_s
        self._command, self._env, self._cwd = command, env, cwd

    def start(self) -> None:
        try:
            self.process = spawn(
                self._command, stdout=subprocess.PIPE, env=self._env, cwd=self._cwd
            )
        except OSError as error:
            raise StackFailed(f"{self.name} cannot start: {error}") from error

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)


class _Kept:
    """A child and what the supervisor knows of its past."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.rest = b""
        self.started_at = 0.0
        self.failures = 0
        #: When to start it again; None while it runs.
        self.due_at: float | None = None

    def delay_s(self) -> float:
        """Half a second after the first death, twice as long after each further one."""
        if time.monotonic() - self.started_at > _HEALTHY_AFTER_S:
            self.failures = 0
        self.failures += 1
        delay_s: float = min(_BACKOFF_FIRST_S * 2.0 ** (self.failures - 1), _BACKOFF_MAX_S)
        return delay_s


class Supervisor:
    """Runs in the main thread until SIGINT, SIGTERM or SIGHUP.

    Children stop in waves, last given first: programs before the servers that they need.
    changed: called whenever a child has a new process.
    """

    def __init__(
        self,
        waves: Sequence[Sequence[Child]],
        *,
        terminal: Terminal,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._waves = [[_Kept(child) for child in wave] for wave in waves]
        self._terminal = terminal
        self._changed = changed
        self._selector = selectors.DefaultSelector()
        self._stopping = 0

    @property
    def children(self) -> list[Child]:
        return [kept.child for wave in self._waves for kept in wave]

    def signals_take(self) -> None:
        """From now on a signal ends `run` instead of this process."""
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(signum) != signal.SIG_IGN:  # nohup keeps SIGHUP away
                signal.signal(signum, self._on_signal)
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._selector.register(reader, selectors.EVENT_READ, None)

    @property
    def is_stopping(self) -> bool:
        return self._stopping > 0

    def wave_start(self, index: int) -> None:
        """Raises StackFailed when a child of the wave cannot start at all."""
        for kept in self._waves[index]:
            self._start(kept)
        self._changed()

    def run(self) -> None:
        """Returns when a signal came. The children still run: call `stop`."""
        while not self._stopping:
            self._turn(_POLL_S)
            for kept in (kept for wave in self._waves for kept in wave):
                self._look_after(kept)

    def stop(self) -> None:
        """Every child and what it started is gone."""
        for wave in reversed(self._waves):
            for kept in wave:
                kept.child.ask_to_stop()
            self._wait_for(wave)
            for kept in wave:
                _end(kept.child)
            self._turn(0)

    def _wait_for(self, wave: Sequence[_Kept]) -> None:
        """A second signal ends the waiting."""
        begun, asked = time.monotonic(), self._stopping
        while self._stopping <= max(asked, 1):
            late = time.monotonic() - begun
            if not any(_runs(k.child) and late < k.child.patience_s for k in wave):
                return
            self._turn(0.05)

    def _look_after(self, kept: _Kept) -> None:
        now = time.monotonic()
        if kept.due_at is None:
            if not _runs(kept.child):
                self._bury(kept)
        elif now >= kept.due_at:
            try:
                self._start(kept)
            except StackFailed as error:
                self._postpone(kept, str(error))
            self._changed()

    def _bury(self, kept: _Kept) -> None:
        process = kept.child.process
        code = _end(kept.child) if process else 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self._postpone(kept, f"{kept.child.name} stopped ({how})")

    def _postpone(self, kept: _Kept, why: str) -> None:
        delay_s = kept.delay_s()
        kept.due_at = time.monotonic() + delay_s
        self._terminal.line_of("up", f"{why}; starting it again in {delay_s:g} s")

    def _start(self, kept: _Kept) -> None:
        # Before the attempt: a failed one is a short life, so the next waits longer.
        kept.started_at = time.monotonic()
        kept.child.start()
        kept.due_at = None
        process = kept.child.process
        if process is not None and process.stdout is not None:
            os.set_blocking(process.stdout.fileno(), False)
            self._selector.register(process.stdout, selectors.EVENT_READ, kept)

    def _turn(self, timeout_s: float) -> None:
        """Shows what children said, at most one buffer each."""
        for key, _ in self._selector.select(timeout_s):
            if key.data is None:
                os.read(key.fd, 64)  # the signal's own byte: its handler has run
                continue
            chunk = os.read(key.fd, _READ_BYTES)
            self._show(key.data, chunk)
            if not chunk:
                self._selector.unregister(key.fileobj)

    def _show(self, kept: _Kept, chunk: bytes) -> None:
        *lines, kept.rest = (kept.rest + chunk).split(b"\n")
        if kept.rest and (not chunk or len(kept.rest) > _LINE_BYTES_MAX):
            lines, kept.rest = [*lines, kept.rest], b""
        for line in lines:
            self._terminal.line_of(kept.child.name, line.decode(errors="replace").rstrip("\r"))

    def end(self) -> None:
        """`run` returns soon. A second time: `stop` waits no longer."""
        self._stopping += 1

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        self.end()


def _runs(child: Child) -> bool:
    """Leaves the exit status unread, so that the number is not given to another process yet."""
    if child.process is None or child.process.returncode is not None:
        return False
    look = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, child.process.pid, look) is None


def _end(child: Child) -> int:
    """The child and its process group are gone; returns its exit code."""
    process = child.process
    if process is None:
        return 0
    if process.returncode is None:
        # PermissionError: macOS, for a group of the dead alone.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return process.returncode
