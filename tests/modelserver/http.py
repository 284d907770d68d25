"""Just enough HTTP/1.1 on a bare asyncio protocol to play scripted answers cheaply.

A framework would spend more on each chunk than the adapters under test, and would not let a script
cut a connection in the middle of an answer.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Protocol, cast
from urllib.parse import urlsplit

import orjson


class Ending(Enum):
    """What happens after the last frame."""

    KEEP = "keep"  # the answer is complete, the connection stays
    CUT = "cut"  # the connection is dropped without a proper end
    HANG = "hang"  # nothing more is said until the client goes


@dataclass(slots=True)
class Exchange:
    """One request and what became of its answer."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    state: str = "open"  # open, done, cut_by_server, cut_by_client
    frames_sent: int = 0

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


#: Bytes, or what makes them at the moment they are sent.
Payload = bytes | Callable[[], bytes]


#: The pause of a frame that waits at the reply's gate.
HELD: Final = math.inf


class Gate:
    """Where answers wait. The first held frame of each passes when it was opened once, the second
    when it was opened twice."""

    def __init__(self) -> None:
        self._times_opened: float = 0
        self._waiting: list[Callable[[], None]] = []

    def pass_or_wait(self, nth: int, go_on: Callable[[], None]) -> bool:
        """Whether the nth held frame of an answer, from 1, may pass; if it may not, `go_on` is
        called when the gate is opened the next time, to ask again."""
        if nth <= self._times_opened:
            return True
        self._waiting.append(go_on)
        return False

    def open(self, times: float = math.inf) -> None:
        """Without a number for good."""
        self._times_opened += times
        waiting, self._waiting = self._waiting, []
        for go_on in waiting:
            go_on()


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes to send: the head, then frames, each after its pause in seconds (or `HELD`)."""

    head: bytes
    frames: Sequence[tuple[float, Payload]] = ()
    ending: Ending = Ending.KEEP
    gate: Gate = field(default_factory=Gate)


class Handler(Protocol):
    def __call__(self, exchange: Exchange) -> Reply: ...


def json_reply(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    body = orjson.dumps(value)
    lines = [f"HTTP/1.1 {status} Scripted", "Content-Type: application/json"]
    lines += [f"{name}: {text}" for name, text in (headers or {}).items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return Reply("\r\n".join(lines).encode() + body)


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
LAST_CHUNK = b"0\r\n\r\n"


def chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


@dataclass(slots=True)
class Player:
    """Sends a reply's frames at their times. Frames without a pause go out in one write."""

    transport: asyncio.Transport
    exchange: Exchange
    reply: Reply
    on_end: Callable[[], None]
    _next: int = 0
    _held: int = 0
    _due: float = 0.0
    _timer: asyncio.TimerHandle | None = field(default=None)
    _is_stopped: bool = False

    def start(self) -> None:
        self._due = asyncio.get_running_loop().time()
        self._play(self.reply.head)

    def stop(self) -> None:
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _play(self, pending: bytes = b"") -> None:
        frames, parts = self.reply.frames, [pending]
        while self._next < len(frames):
            pause, payload = frames[self._next]
            if pause == HELD:
                if not self.reply.gate.pass_or_wait(self._held + 1, self._go_on):
                    break
                self._held += 1
            elif pause and self._timer is None:
                # Due times follow from the start: a late wake-up does not slow the whole answer.
                self._due += pause
                loop = asyncio.get_running_loop()
                self._timer = loop.call_at(self._due, self._play)
                break
            self._timer = None
            parts.append(payload if isinstance(payload, bytes) else payload())
            self._next += 1
        self.transport.write(b"".join(parts))
        self.exchange.frames_sent = self._next
        if self._next == len(frames):
            self._end()

    def _go_on(self) -> None:
        if not self._is_stopped:
            self._due = asyncio.get_running_loop().time()
            self._play()

    def _end(self) -> None:
        if self.reply.ending is Ending.KEEP:
            self.exchange.state = "done"
            self.on_end()
        elif self.reply.ending is Ending.CUT:
            self.exchange.state = "cut_by_server"
            self.transport.close()


class Connection(asyncio.Protocol):
    """One client connection: requests one after another, each answered by the handler."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._buffer = bytearray()
        self._player: Player | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._player is not None:
            self._player.stop()
            if self._player.exchange.state == "open":
                self._player.exchange.state = "cut_by_client"
            self._player = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._player is None:
            self._answer_next()

    def _answer_next(self) -> None:
        exchange = self._parse()
        if exchange is None:
            return
        reply = self._handler(exchange)
        self._player = Player(self._transport, exchange, reply, self._answered)
        self._player.start()

    def _answered(self) -> None:
        self._player = None
        if self._buffer:
            self._answer_next()

    def _parse(self) -> Exchange | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        first, *rest = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in rest)
        }
        size = int(headers.get("content-length", "0"))
        if len(self._buffer) < end + 4 + size:
            return None
        raw = bytes(self._buffer[end + 4 : end + 4 + size])
        del self._buffer[: end + 4 + size]
        method, target, _ = first.split(" ", 2)
        return Exchange(method, urlsplit(target).path, headers, orjson.loads(raw) if raw else None)
