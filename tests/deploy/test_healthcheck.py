"""deploy/healthcheck.py: its exit status is what /health says."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.deploy.files import ROOT
from tests.stack.up_process import free_port


class Health(ThreadingHTTPServer):
    """Answers as told, and keeps what it was asked: (path, Host)."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str]] = []

    def check(self, **env: str) -> int:
        return _check(self.server_port, **env)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Health)
        self.server.asked.append((self.path, self.headers["Host"]))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def _check(port: int, **env: str) -> int:
    command = [sys.executable, str(ROOT / "deploy" / "healthcheck.py")]
    done = subprocess.run(command, env={"PORT": str(port), **env}, capture_output=True, check=False)
    return done.returncode


@pytest.fixture
def health() -> Iterator[Health]:
    with Health() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.req("VB-87")
def test_a_server_that_can_start_runs_is_healthy(health: Health) -> None:
    assert health.check() == 0
    assert health.asked == [("/health", "localhost")]


@pytest.mark.req("VB-87")
def test_a_server_that_cannot_is_not(health: Health) -> None:
    health.status = 503

    assert health.check() == 1


def test_nobody_there_is_not_healthy() -> None:
    assert _check(free_port()) == 1


@pytest.mark.parametrize(
    ("allowed", "host"),
    [("a.example, localhost", "a.example"), (".example.org", "example.org"), ("*", "localhost")],
)
def test_it_calls_the_server_by_a_name_that_is_served(
    health: Health, allowed: str, host: str
) -> None:
    assert health.check(ALLOWED_HOSTS=allowed) == 0
    assert health.asked == [("/health", host)]
