"""Following a task by its socket, message by message, as often as the connection has to be made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import websockets
from websockets.sync.client import ClientConnection, connect

from tests.e2e.stack import PATIENCE_S, Stack

Message = dict[str, Any]


class Follower:
    """One connection. `messages` is everything heard so far, but for pings."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.messages: list[Message] = []

    @property
    def seq(self) -> int:
        """By which the next connection goes on."""
        return max((m["seq"] for m in self.messages), default=0)

    @property
    def lines(self) -> list[str]:
        return [m["data"]["message"] for m in self.messages if m["type"] == "log"]

    @property
    def types(self) -> list[str]:
        return [m["type"] for m in self.messages]

    def until(self, is_so: Callable[[], bool]) -> None:
        """Hear until it is so. Fails when the server closes before."""
        while not is_so():
            self._hear()

    def until_lines(self, count: int) -> None:
        """Hear until so many lines of the task's log have come in all."""
        self.until(lambda: len(self.lines) >= count)

    def rest(self) -> int:
        """Hear everything up to the close; its code."""
        while True:
            try:
                self._hear()
            except websockets.ConnectionClosed as closed:
                # 1006: cut off without a word.
                return closed.rcvd.code if closed.rcvd is not None else 1006

    def _hear(self) -> None:
        message = json.loads(self._connection.recv(timeout=PATIENCE_S))
        if message["type"] != "ping":
            self.messages.append(message)


@contextmanager
def following(stack: Stack, task_id: str, *, after: int = 0) -> Iterator[Follower]:
    address = f"{stack.address().replace('http', 'ws')}/ws/task/{task_id}"
    query = f"?after={after}" if after else ""
    with connect(address + query, additional_headers=stack.credentials()) as connection:
        yield Follower(connection)


def assert_told_once(messages: list[Message], steps: int) -> None:
    """Of a `test_task`: each of its steps once and in order, then how it ended, and no more."""
    lines = [m["data"]["message"] for m in messages if m["type"] == "log"]
    assert lines == [f"step {n} of {steps}" for n in range(1, steps + 1)]
    seqs = [m["seq"] for m in messages]
    assert seqs == sorted(seqs)
    assert [m["type"] for m in messages[-2:]] == ["status", "result"]
    assert messages[-1]["status"] == "completed"
    assert len(messages[-1]["data"]["logs"]) == steps
