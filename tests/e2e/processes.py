"""One process of the stack under test: it can be killed, asked to stop, and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from taskmapr.stack.children import spawn

ROOT = Path(__file__).resolve().parents[2]


class ServiceProcess:
    """A Python process with its own log file, which all its lives share."""

    def __init__(
        self, name: str, arguments: Sequence[str], *, env: Mapping[str, str], logs: Path
    ) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self._arguments = list(arguments)
        self._env = dict(env)
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._popen is not None
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        assert not self.is_running
        with self.log.open("ab") as log:
            self._popen = spawn(
                [sys.executable, *self._arguments], stdout=log, env=self._env, cwd=ROOT
            )

    def kill(self) -> None:
        """Gone at once, without a chance to tidy up."""
        self.signal(signal.SIGKILL)
        self.wait()

    def signal(self, signum: signal.Signals) -> None:
        assert self._popen is not None
        self._popen.send_signal(signum)

    def wait(self, timeout_s: float = 60) -> int:
        assert self._popen is not None
        return self._popen.wait(timeout_s)

    def end(self) -> None:
        """Harmless when it is not running."""
        if self.is_running:
            self.signal(signal.SIGCONT)
            self.kill()
