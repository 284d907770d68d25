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
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
import websockets

from taskmapr.stack.programs import server_command
from tests.e2e.cast import KEYS
from tests.stack.up_process import Process, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture(params=["uvicorn", "granian", "daphne"])
def served(
    request: pytest.FixtureRequest, tmp_path: Path, redis_url: str
) -> Iterator[tuple[Process, int]]:
    port = free_port()
    env = {
        **os.environ,
        **KEYS,
        "ENV": "prod",
        "TASKMAPR_HTTPS_REDIRECT": "false",
        "TASKMAPR_DATA_DIR": str(tmp_path),
        "REDIS_URL": redis_url,
    }
    process = Process([sys.executable, *server_command(request.param, "127.0.0.1", port)], env)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield process, port
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
    served: tuple[Process, int], task: UUID, key: str, cyd_key: str
) -> None:
    process, port = served
    address = f"ws://127.0.0.1:{port}/ws/task/{task}"

    strangers, stranger_code = asyncio.run(told(f"{address}?api_key={cyd_key}"))
    nobodies, nobody_code = asyncio.run(told(address, {"type": "auth", "api_key": "tm_no"}))
    messages, code = asyncio.run(told(f"{address}?api_key={key}", {"type": "cancel"}))

    assert (strangers, stranger_code) == ([], 4404)
    assert (nobodies, nobody_code) == ([], 4401)
    assert [m["type"] for m in messages] == ["snapshot", "status", "result"]
    assert messages[-1]["status"] == "cancelled"
    assert code == 1000
    assert key not in "\n".join(process.lines)
