"""A workflow engine on bare sockets that plays a script, connection by connection."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

#: Closes before anything is read, after all is read, or never says anything.
RESET_UNREAD, RESET_READ, HANG = "reset unread", "reset read", "hang"


@dataclass
class Reply:
    body: Any = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    kind: str = "application/json"

    def encoded(self) -> bytes:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        lines = [f"HTTP/1.1 {self.status} Played", f"Content-Length: {len(body)}"]
        if self.kind:
            lines.append(f"Content-Type: {self.kind}")
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes = b""


class FlowEngine:
    """`script`: what happens to each connection in turn; the last entry goes on for ever."""

    def __init__(self, script: Sequence[Reply | str]) -> None:
        self.script = list(script)
        self.requests: list[Request] = []
        self.connections = 0
        self.port = 0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        act = self.script[min(self.connections, len(self.script) - 1)]
        self.connections += 1
        try:
            if act != RESET_UNREAD:
                self.requests.append(await _request(reader))
            if isinstance(act, Reply):
                await asyncio.sleep(act.delay_s)
                writer.write(act.encoded())
                await writer.drain()
            elif act == HANG:
                await reader.read()
            else:
                reset = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, reset
                )
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, json.loads(body) if body else None, body)


@asynccontextmanager
async def playing(*script: Reply | str) -> AsyncIterator[FlowEngine]:
    engine = FlowEngine(script)
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0)
    engine.port = server.sockets[0].getsockname()[1]
    try:
        yield engine
    finally:
        server.close()
