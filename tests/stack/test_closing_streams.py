"""SIGTERM and open streams, under each of the servers that can be chosen."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import time

import pytest

from taskmapr.stack.programs import server_command
from tests.stack.up_process import Process, free_port


def serve(server: str) -> tuple[Process, int]:
    port = free_port()
    words = server_command(server, "127.0.0.1", port)
    words[-1] = "tests.stack.stream_app:application"
    process = Process([sys.executable, *words], dict(os.environ))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process, port
        time.sleep(0.05)
    raise AssertionError("\n".join(process.lines))


@pytest.mark.req("OV-74")
@pytest.mark.parametrize("server", ["uvicorn", "granian", "daphne"])
def test_an_open_stream_ends_with_a_retry_line(server: str) -> None:
    process, port = serve(server)
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    client.request("GET", "/stream")
    answer = client.getresponse()
    assert answer.readline() == b'data: {"tick":1}\n'
    process.signal(signal.SIGTERM)
    asked = time.monotonic()
    rest = answer.read()
    assert time.monotonic() - asked < 10
    assert rest.endswith(b"\nretry: 1000\n\n")
    client.close()
    process.wait()
    assert time.monotonic() - asked < 10


@pytest.mark.req("OV-74")
def test_a_plain_answer_is_left_as_it_is() -> None:
    process, port = serve("uvicorn")
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    client.request("GET", "/plain")
    assert client.getresponse().read() == b"ok"
    client.close()
    process.signal(signal.SIGTERM)
    process.wait()
