"""Both clients against a scripted server, each called in the same way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taskmapr.client import AsyncClient, Client
from taskmapr.client.manners import Patience
from tests.receiver import Receiver, Reply, receiving

Ask = Callable[..., Any]


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture(params=["blocking", "asynchronous"])
def ask(request: pytest.FixtureRequest, server: Receiver) -> Ask:
    """ask(method, *args, **kwargs) → what the method of either client gives; streams as lists."""

    def blocking(method: str, *args: Any, **kwargs: Any) -> Any:
        with Client(server.url(""), api_key="k", patience=_QUICK) as client:
            given = getattr(client, method)(*args, **kwargs)
            return list(given) if method == "stream" else given

    async def asynchronous(method: str, *args: Any, **kwargs: Any) -> Any:
        async with AsyncClient(server.url(""), api_key="k", patience=_QUICK) as client:
            given = getattr(client, method)(*args, **kwargs)
            return [event async for event in given] if method == "stream" else await given

    if request.param == "blocking":
        return blocking
    return lambda *args, **kwargs: asyncio.run(asynchronous(*args, **kwargs))


_QUICK = Patience(retries=2, base_s=0.01, max_pause_s=5.0)


def told(body: Any, status: int = 200, **headers: str) -> Reply:
    """A JSON answer; underscores in names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, body=json.dumps(body).encode(), headers=named)


def problem(status: int, code: str, /, more: dict[str, Any] | None = None, **headers: str) -> Reply:
    body = {"code": code, "detail": f"It is {code}.", "details": {}, "request_id": "r-1"}
    return told({**body, **(more or {})}, status, **headers)
