"""The same socket under each of the servers that can be chosen, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import pytest
import websockets

from orchestration.consumers.base import HEARD_CHARACTERS
from taskmapr.stack.programs import SOCKET_MESSAGE_BYTES, server_command
from tests.e2e.cast import KEYS
from tests.stack.up_process import Process, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


class Served(NamedTuple):
    server: str
    process: Process
    port: int


@pytest.fixture(scope="module", params=["uvicorn", "granian", "daphne"])
def served(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    redis_address: str,
) -> Iterator[Served]:
    port = free_port()
    env = {
        **os.environ,
        **KEYS,
        "ENV": "prod",
        "TASKMAPR_HTTPS_REDIRECT": "false",
        "TASKMAPR_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "REDIS_URL": redis_address,
    }
    process = Process([sys.executable, *server_command(request.param, "127.0.0.1", port)], env)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield Served(request.param, process, port)
    process.signal(signal.SIGTERM)
    process.wait()


async def told(address: str, *said: Any) -> tuple[list[dict[str, Any]], int | None]:
    """Everything that is heard after saying this, and the close code."""
    async with asyncio.timeout(30), websockets.connect(address, open_timeout=20) as client:
        for message in said:
            await client.send(orjson.dumps(message).decode())
        heard = []
        with suppress(websockets.ConnectionClosedError):  # any code but 1000
            async for text in client:
                heard.append(orjson.loads(text))
        return heard, client.close_code


@pytest.mark.req("TQ-24", "TQ-25", "TQ-36")
def test_a_task_is_followed_cancelled_and_told_to_its_end(
    served: Served, task: UUID, key: str, cyd_key: str
) -> None:
    address = f"ws://127.0.0.1:{served.port}/ws/task/{task}"

    strangers, stranger_code = asyncio.run(told(f"{address}?api_key={cyd_key}"))
    nobodies, nobody_code = asyncio.run(told(address, {"type": "auth", "api_key": "tm_no"}))
    messages, code = asyncio.run(told(f"{address}?api_key={key}", {"type": "cancel"}))

    assert (strangers, stranger_code) == ([], 4404)
    assert (nobodies, nobody_code) == ([], 4401)
    assert [m["type"] for m in messages] == ["snapshot", "status", "result"]
    assert messages[-1]["status"] == "cancelled"
    assert code == 1000
    assert key not in "\n".join(served.process.lines)


async def too_long(address: str) -> tuple[int | None, str]:
    """The close code for a message that is too long, and what another connection hears after it."""
    async with asyncio.timeout(30):
        async with (
            websockets.connect(address, open_timeout=20) as loud,
            websockets.connect(address, open_timeout=20) as quiet,
        ):
            await quiet.recv()
            await loud.recv()
            with suppress(websockets.ConnectionClosed):
                # Servers that take it all answer with an error; the others hang up on the way.
                await loud.send("x" * (SOCKET_MESSAGE_BYTES + 1))
                assert orjson.loads(await loud.recv())["data"]["code"] == "payload_too_large"
            await quiet.send('{"type": "ping"}')
            return loud.close_code, orjson.loads(await quiet.recv())["type"]


@pytest.mark.req("TQ-25")
def test_a_message_that_is_too_long_ends_its_own_connection_alone(
    served: Served, task: UUID, key: str
) -> None:
    address = f"ws://127.0.0.1:{served.port}/ws/task/{task}?api_key={key}"

    code, heard = asyncio.run(too_long(address))

    # Daphne hangs up without a word; granian has no bound of its own below 64 MiB.
    assert code == {"uvicorn": 1009, "daphne": 1006, "granian": None}[served.server]
    assert heard == "pong"


def test_what_the_socket_bears_fits_into_a_message_of_the_server() -> None:
    assert HEARD_CHARACTERS * len("\U0001f600".encode()) <= SOCKET_MESSAGE_BYTES
