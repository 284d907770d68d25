"""A reader that does not read: what waits for it is bounded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestration.consumers import base
from orchestration.consumers.base import CloseCode, Closing, Socket, side_by_side


class Pipe:
    """The server's end: takes what is sent while it is open."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()
        self.sent: list[str] = []

    async def send(self, message: Any) -> None:
        await self.is_open.wait()
        self.sent.append(message["text"])

    async def receive(self) -> Any:
        await asyncio.Event().wait()


async def fill(socket: Socket, count: int) -> None:
    for number in range(count):
        if socket.is_full:
            await socket.room()
        socket.say(str(number))


@pytest.mark.req("TQ-26")
async def test_is_closed_after_a_thousand_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "PATIENCE_S", 0.05)
    pipe = Pipe()
    socket = Socket(pipe.receive, pipe.send)

    with pytest.raises(Closing) as closing:
        await side_by_side(socket.speak(), fill(socket, 1_001))
    assert closing.value.code == CloseCode.TRY_AGAIN


@pytest.mark.req("TQ-26")
async def test_who_reads_gets_more_than_fits_in_order() -> None:
    pipe = Pipe()
    pipe.is_open.set()
    socket = Socket(pipe.receive, pipe.send)

    async def all_of_it() -> None:
        await fill(socket, 5_000)
        await socket.farewell()

    await side_by_side(socket.speak(), all_of_it())
    assert pipe.sent == [str(number) for number in range(5_000)]


async def test_the_first_end_is_the_end_of_all() -> None:
    ended = []

    async def stubborn() -> None:
        # As a library that takes the first cancellation for something else.
        for _ in range(2):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                ended.append("cancelled")

    async def fails() -> None:
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        await side_by_side(stubborn(), fails())
    assert ended == ["cancelled", "cancelled"]
