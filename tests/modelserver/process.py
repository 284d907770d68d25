"""Starts the scripted model server in its own process and talks to it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import orjson

_ROOT = Path(__file__).resolve().parents[2]


class ScriptedServer:
    """A running server. `base_url` is what a ModelEndpoint wants."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.base_url = f"{url}/v1"

    def script(self, model: str, *answers: Mapping[str, Any]) -> None:
        """Queue answers (members of `script.Answer`) for a model name; each is used once."""
        self._call("POST", "/script", {"model": model, "answers": list(answers)})

    def requests(self, model: str | None = None) -> list[dict[str, Any]]:
        """Requests so far: {method, path, headers, body, state, frames_sent}."""
        asked = self._call("GET", "/requests")
        return [one for one in asked if model is None or one["body"]["model"] == model]

    def release(self, model: str, portions: int | None = None) -> None:
        """What the model holds back (`held_after`) goes on: so many portions, or everything to its
        end, also in answers to come. A reset holds anew."""
        self._call("POST", "/release", {"model": model, "portions": portions})

    def wait_for_frames(self, model: str, count: int) -> None:
        """Until the last answer of this model is so many frames long: tokens, and portions that
        were released."""
        wait_until(lambda: self._frames(model) >= count, timeout_s=30.0)

    def reset(self) -> None:
        self._call("POST", "/reset")

    def wait_for_state(self, model: str, state: str, *, timeout_s: float = 30.0) -> float:
        """Seconds until the last request for this model was in that state."""
        return wait_until(lambda: self._state(model) == state, timeout_s=timeout_s)

    def _frames(self, model: str) -> int:
        asked = self.requests(model)
        return asked[-1]["frames_sent"] if asked else 0

    def _state(self, model: str) -> str | None:
        asked = self.requests(model)
        return asked[-1]["state"] if asked else None

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else orjson.dumps(body)
        with urlopen(Request(self.url + path, data=data, method=method), timeout=5) as answer:
            return orjson.loads(answer.read())


def wait_until(is_so: Callable[[], bool], *, timeout_s: float) -> float:
    """Seconds until `is_so`. Raises AssertionError when it does not become so in time."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < timeout_s, "did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - began


@contextmanager
def running_model_server() -> Iterator[ScriptedServer]:
    """A server on a free port, ended with the block."""
    command = [sys.executable, "-m", "tests.modelserver", "--port", "0"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield ScriptedServer(process.stdout.readline().strip())
        finally:
            process.terminate()
