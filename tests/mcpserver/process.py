"""Starts MCP servers in processes of their own: they can be killed and started again."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from taskmapr.core.ports import ToolServerAddress
from tests.modelserver.process import wait_until
from tests.stack.up_process import free_port

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class McpProcess:
    """A server over HTTP on a port of its own; it keeps the port from life to life."""

    transport: str
    flags: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    _popen: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        path = "/mcp/sse" if self.transport == "sse" else "/mcp"
        return f"http://127.0.0.1:{self.port}{path}"

    def address(self, **changes: Any) -> ToolServerAddress:
        given = {"server_id": 1, "name": "test", "transport": self.transport, "url": self.url}
        return ToolServerAddress(**{**given, **changes})

    @property
    def is_running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.mcpserver", self.transport, str(self.port)]
        self._popen = subprocess.Popen([*command, *self.flags], cwd=ROOT)
        wait_until(self._answers, timeout_s=30)

    def kill(self) -> None:
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()
            self._popen = None

    def restart(self) -> None:
        self.kill()
        self.start()

    def _answers(self) -> bool:
        try:
            urlopen(f"http://127.0.0.1:{self.port}/nowhere", timeout=5).close()
        except URLError as error:
            return getattr(error, "code", None) == 404
        return True


def stdio_address(*flags: str, **changes: Any) -> ToolServerAddress:
    """A server that the client itself starts."""
    given = {
        "server_id": 1,
        "name": "test",
        "transport": "stdio",
        "command": sys.executable,
        "args": ("-m", "tests.mcpserver", "stdio", *flags),
        "env": {"PYTHONPATH": str(ROOT)},
        "connect_timeout_s": 20.0,
    }
    return ToolServerAddress(**{**given, **changes})
