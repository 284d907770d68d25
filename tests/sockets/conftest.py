"""Sockets through the web process's own application, a real Redis and a real PostgreSQL.

Runs are written to by the test itself, as a service writes to a run that nobody holds.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from asgiref.testing import ApplicationCommunicator
from django.db import transaction
from django.test import TestCase

from orchestration.consumers.connections import held
from orchestration.live import live_close
from orchestration.log.endings import Verdict
from orchestration.log.unheld import run_take_unheld
from orchestration.services.run_start import NewRun, run_start
from taskmapr import wiring
from taskmapr.asgi import application
from taskmapr.core import wired
from taskmapr.core.ids import uuid7
from taskmapr.foundation.aio import in_database
from taskmapr.users.models import User
from taskmapr.users.services.api_keys import api_key_issue
from taskmapr.users.services.dev_user import dev_user_ensure
from tests.fakes import RecordingQueue

#: A guarantee that is broken shows as a wait without end.
PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def ports(redis_url: str) -> Any:
    real = wired.ports()
    wired.wire(replace(wiring.build(), queue=RecordingQueue()))
    yield wired.ports()
    wired.wire(real)


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada@example.org", "a long password")


@pytest.fixture
def cyd(db: None) -> User:
    return User.objects.create_user("cyd@example.org", "a long password")


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root@example.org", "a long password")


def key_of(user: User, *scopes: str) -> str:
    """A new API key; without scopes it may do everything about tasks."""
    wanted = scopes or ("tasks:read", "tasks:assign", "tasks:cancel")
    return str(api_key_issue(user_id=user.pk, name="test", scopes=wanted).text)


@pytest.fixture
def key(ada: User) -> str:
    return key_of(ada)


@pytest.fixture
def reading_key(ada: User) -> str:
    return key_of(ada, "tasks:read")


@pytest.fixture
def cyd_key(cyd: User) -> str:
    return key_of(cyd)


@pytest.fixture
def task(ada: User) -> UUID:
    """A waiting task of Ada's."""
    return task_of(ada)


@pytest.fixture
def dev_task(db: None) -> UUID:
    """A task of the development user's."""
    return task_of(dev_user_ensure())


def task_of(user: User, **changes: Any) -> UUID:
    given: dict[str, Any] = {
        "run_id": uuid7(),
        "kind": "task",
        "owner_id": user.pk,
        "session_id": None,
        "input": {"params": {}},
        "subject": "test_task",
        "max_attempts": 4,
    }
    return run_start(NewRun(**{**given, **changes})).run_id


def _write(run_id: UUID, payloads: tuple[Any, ...], verdict: Verdict | None) -> None:
    with TestCase.captureOnCommitCallbacks(execute=True), transaction.atomic():
        held = run_take_unheld(run_id)
        for payload in payloads:
            held.append(payload)
        if verdict is None:
            held.store()
        else:
            held.finish(verdict)


async def happens(run_id: UUID, *payloads: Any) -> None:
    """These events are in both stores, and announced."""
    await in_database(_write, run_id, payloads, None)


async def ends(run_id: UUID, *payloads: Any, **verdict: Any) -> None:
    await in_database(_write, run_id, payloads, Verdict(**verdict))


@dataclass
class Client:
    """The other end of one socket."""

    wire: ApplicationCommunicator

    async def hear(self) -> dict[str, Any]:
        """The next message. Fails when the socket was closed instead."""
        output = await self.wire.receive_output(PATIENCE_S)
        assert output["type"] == "websocket.send", output
        message: dict[str, Any] = json.loads(output["text"])
        return message

    async def hear_all(self) -> tuple[list[dict[str, Any]], int]:
        """Everything up to the close, and its code."""
        heard = []
        while (output := await self.wire.receive_output(PATIENCE_S))["type"] == "websocket.send":
            heard.append(json.loads(output["text"]))
        return heard, output["code"]

    async def closed(self) -> int:
        """The close code; nothing may come before it."""
        output = await self.wire.receive_output(PATIENCE_S)
        assert output["type"] == "websocket.close", output
        code: int = output["code"]
        return code

    async def say(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        await self.wire.send_input({"type": "websocket.receive", "text": text})

    async def say_bytes(self, data: bytes) -> None:
        await self.wire.send_input({"type": "websocket.receive", "bytes": data})

    async def leave(self) -> None:
        await self.wire.send_input({"type": "websocket.disconnect", "code": 1001})
        await self.wire.wait(PATIENCE_S)


def scope_of(path: str, headers: dict[str, str], peer: str = "203.0.113.7") -> dict[str, Any]:
    path, _, query = path.partition("?")
    named = {"host": "testserver", **headers}
    return {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(n.lower().encode(), v.encode()) for n, v in named.items()],
        "client": (peer, 4711),
        "subprotocols": [],
    }


@asynccontextmanager
async def knocking(
    path: str, *, peer: str = "203.0.113.7", **headers: str
) -> AsyncIterator[Client]:
    """A handshake that nobody has answered yet. Headers: `x_api_key="…"`."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    wire = ApplicationCommunicator(application, scope_of(path, sent, peer))
    await wire.send_input({"type": "websocket.connect"})
    client = Client(wire)
    try:
        yield client
    finally:
        if wire.future is not None and not wire.future.done():
            await client.leave()
        if not held()._refs:
            await live_close()


@asynccontextmanager
async def connected(
    path: str, *, peer: str = "203.0.113.7", **headers: str
) -> AsyncIterator[Client]:
    """An accepted socket."""
    async with knocking(path, peer=peer, **headers) as client:
        assert (await client.wire.receive_output(PATIENCE_S))["type"] == "websocket.accept"
        yield client
