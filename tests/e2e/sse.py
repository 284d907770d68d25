"""Reading a run's stream over a real socket, frame by frame, and cutting it off."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

#: Longer than any time without news that a test allows.
SILENCE_S = 40.0


class StreamCut(Exception):
    """The connection ended before `complete`."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One server-sent event: its id and its JSON."""

    id: str | None
    body: dict[str, Any]

    @property
    def type(self) -> str:
        return str(self.body["type"])

    @property
    def seq(self) -> int | None:
        return self.body["seq"]

    @property
    def data(self) -> dict[str, Any]:
        return self.body["data"]


class Stream:
    """An answer to a request, read as it comes. `frames` is everything read so far."""

    def __init__(
        self,
        base: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: Any = None,
        timeout_s: float = SILENCE_S,
    ) -> None:
        where = urlsplit(base)
        assert where.hostname is not None
        self._connection = http.client.HTTPConnection(where.hostname, where.port, timeout=timeout_s)
        text = None if body is None else json.dumps(body)
        kind = {"Content-Type": "application/json"} if body is not None else {}
        self._connection.request(method, path, text, {**kind, **headers})
        self._response = self._connection.getresponse()
        self.status = self._response.status
        self.headers = self._response.headers
        self.frames: list[Frame] = []
        self.is_over = False
        self._silence_s = timeout_s
        self._news_at = time.monotonic()

    @property
    def run_id(self) -> str:
        return str(self.headers["X-Run-Id"])

    @property
    def session_id(self) -> str:
        return str(self.headers["X-Session-Id"])

    @property
    def last_id(self) -> str:
        return next(frame.id for frame in reversed(self.frames) if frame.id is not None)

    @property
    def text(self) -> str:
        return "".join(f.data["text"] for f in self.frames if f.type == "text_delta")

    @property
    def types(self) -> list[str]:
        return [frame.type for frame in self.frames if frame.type != "heartbeat"]

    def json(self) -> Any:
        """The whole body of an answer that is no stream."""
        return json.loads(self._response.read())

    def next(self) -> Frame | None:
        """The next frame; None after `complete`. Raises StreamCut."""
        frame_id, data = None, None
        while line := self._line():
            name, _, value = line.rstrip("\n").partition(": ")
            if name == "id":
                frame_id = value
            elif name == "data":
                data = json.loads(value)
            if not line.strip() and data is not None:
                break
        if data is None:
            if not (self.frames and self.frames[-1].type == "complete"):
                raise StreamCut(f"after {[frame.type for frame in self.frames]}")
            self.is_over = True
            return None
        frame = Frame(frame_id, data)
        self.frames.append(frame)
        self._expect_news(frame)
        return frame

    def until(self, wanted: str | Callable[[Frame], bool]) -> Frame:
        """Read up to and including the first frame of that type, or for which it is true."""
        self._news_at = time.monotonic()
        test = (lambda f: f.type == wanted) if isinstance(wanted, str) else wanted
        while (frame := self.next()) is not None:
            if test(frame):
                return frame
        raise AssertionError(f"no such frame: {self.types}")

    def read_texts(self, count: int) -> None:
        """Read until so many text frames have come in all."""
        while sum(frame.type == "text_delta" for frame in self.frames) < count:
            self.until("text_delta")

    def read_words(self, count: int) -> None:
        """Read until so many words of the answer have come in all, in however many frames."""
        while len(self.text.split()) < count:
            self.until("text_delta")

    def rest(self) -> list[Frame]:
        """Read to the end; everything that was read, also before."""
        self._news_at = time.monotonic()
        while self.next() is not None:
            pass
        return self.frames

    def cut(self) -> None:
        """Go away without a word."""
        if self._connection.sock is not None:
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._response.close()
        self._connection.close()

    def _expect_news(self, frame: Frame) -> None:
        """Heartbeats keep a connection open, not a test."""
        now = time.monotonic()
        if frame.id is not None:
            self._news_at = now
        assert now - self._news_at < self._silence_s, f"only heartbeats after {self.types}"

    def _line(self) -> str:
        """With its end; empty when there is nothing more."""
        try:
            return self._response.readline().decode()
        except (http.client.HTTPException, ConnectionError) as error:
            raise StreamCut(str(error)) from error
