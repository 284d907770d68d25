"""Finding models of a local Ollama."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from orchestration.adapters.ollama import ollama_models


@contextmanager
def answering(body: bytes, status: int = 200) -> Iterator[int]:
    """A server that gives this answer on /api/tags; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/api/tags" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield server.server_port
        thread.join()


def test_lists_the_models_by_name() -> None:
    with answering(b'{"models":[{"name":"qwen3:8b"},{"name":"llama3.2:3b"},{}]}') as port:
        assert ollama_models(port=port, timeout_s=20) == ["llama3.2:3b", "qwen3:8b"]


@pytest.mark.parametrize(
    ("body", "status"), [(b"<html>", 200), (b"[]", 200), (b"{}", 200), (b'{"models":[]}', 500)]
)
def test_something_else_on_the_port_is_no_ollama(body: bytes, status: int) -> None:
    with answering(body, status) as port:
        assert ollama_models(port=port, timeout_s=20) == []


def test_nobody_there_is_no_ollama() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert ollama_models(port=free.getsockname()[1]) == []


def test_a_silent_port_costs_little_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert ollama_models(port=silent.getsockname()[1], timeout_s=0.2) == []
