"""The embedded servers as the supervisor's children."""

from __future__ import annotations

import signal
import subprocess
from typing import Protocol

from django.conf import settings

from taskmapr.stack.postgres import EmbeddedPostgres
from taskmapr.stack.redis import EmbeddedRedis


class Server(Protocol):
    @property
    def process(self) -> subprocess.Popen[bytes] | None: ...

    def start(self) -> None: ...


class ServerChild:
    """A server writes its own log, so it has no lines to show."""

    patience_s = 12.0

    def __init__(self, name: str, server: Server, stop_signal: signal.Signals) -> None:
        self.name = name
        self._server = server
        self._stop_signal = stop_signal

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        return self._server.process

    def start(self) -> None:
        self._server.start()

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self._stop_signal)


def server_children() -> list[ServerChild]:
    """Those that the settings do not name elsewhere."""
    children = []
    if settings.EMBEDDED_POSTGRES:
        server = EmbeddedPostgres(settings.DATA_DIR)
        children.append(ServerChild("postgres", server, signal.SIGINT))
    if settings.EMBEDDED_REDIS:
        children.append(ServerChild("redis", EmbeddedRedis(settings.DATA_DIR), signal.SIGTERM))
    return children
