"""Intents through the whole middleware, a real Redis and a worker in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

from orchestration.execution.drive import HeldRun, run_drive
from orchestration.live import live_close
from orchestration.log.store import RunBatch, batches_write
from orchestration.log.writer import LogWriter
from orchestration.services.leases import lease_claim
from taskmapr import wiring
from taskmapr.core import jobs, tools, wired
from taskmapr.core.tools import ToolRegistry
from taskmapr.foundation.aio import in_database
from taskmapr.users.models import User
from taskmapr.users.services.sign_ins import tokens_issue
from tests.fakes import RecordingQueue
from tests.orchestration.api.conftest import Answer

Call = Callable[..., Answer]


@dataclass
class Worker(RecordingQueue):
    """A queue whose jobs are done on the loop that enqueued them; `is_away`: nobody does them."""

    is_away: bool = False
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    held: dict[UUID, HeldRun] = field(default_factory=dict)
    loop: asyncio.AbstractEventLoop | None = None

    def enqueue(self, job: str, *args: Any, queue: str, priority: int = 9) -> None:
        super().enqueue(job, *args, queue=queue, priority=priority)
        if job == jobs.RUN_EXECUTE and not self.is_away and self.loop is not None:
            self.loop.call_soon_threadsafe(self._begin, UUID(args[0]))

    def _begin(self, run_id: UUID) -> None:
        task = asyncio.ensure_future(self.carry(run_id))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def carry(self, run_id: UUID) -> None:
        claim = await in_database(lease_claim, run_id=run_id, worker_id="w1")
        if claim is None:
            return
        log = LogWriter(wired.ports().new_log(), self.store)
        log.start()
        self.held[run_id] = HeldRun(claim, log, "w1")
        try:
            await run_drive(self.held[run_id])
        finally:
            await log.stop()

    async def store(self, batches: Sequence[RunBatch]) -> Any:
        return await in_database(batches_write, batches)

    async def rest(self) -> None:
        """Returns when nothing is under way."""
        while self.tasks:
            await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> ToolRegistry:
    """A registry for the tools of one test; those of the product are in it."""
    fresh = ToolRegistry()
    for spec in tools.registry.all():
        fresh.add(spec)
    monkeypatch.setattr(tools, "registry", fresh)
    monkeypatch.setattr("orchestration.tools.offered.registry", fresh)
    return fresh


@pytest.fixture
def send(
    ports: wired.Ports, redis_url: str, worker: Worker, ada: User, settings: Any
) -> Callable[..., Any]:
    """await send("POST", path, body, user=…) on the running loop. Ada asks unless told."""
    wired.wire(replace(wiring.build(), queue=worker))
    tokens = {ada.pk: tokens_issue(user_id=ada.pk).access_token}

    async def one(
        method: str, path: str, body: Any = None, *, user: User | None = ada, **headers: str
    ) -> Answer:
        worker.loop = asyncio.get_running_loop()
        if user is not None:
            if user.pk not in tokens:
                issued = await in_database(tokens_issue, user_id=user.pk)
                tokens[user.pk] = issued.access_token
            headers.setdefault("authorization", f"Bearer {tokens[user.pk]}")
        data = body if isinstance(body, bytes) else json.dumps(body) if body is not None else b""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        client = AsyncClient(raise_request_exception=False)
        response: Any = await client.generic(
            method, path, data, content_type="application/json", headers=named
        )
        if response.streaming:
            read = b"".join([part async for part in response.streaming_content])
        else:
            read = response.content
        return Answer(response.status_code, response.headers, read)

    return one


@pytest.fixture
def play(worker: Worker) -> Callable[..., Any]:
    """Run a coroutine function as one scene: everything that it began ends with it."""

    def run(scene: Callable[[], Any]) -> Any:
        async def whole() -> Any:
            try:
                async with asyncio.timeout(30):
                    return await scene()
            finally:
                await worker.rest()
                await live_close()

        return async_to_sync(whole)()

    return run


@pytest.fixture
def call(send: Callable[..., Any], play: Callable[..., Any]) -> Call:
    """One request, and its answer when everything that it began is over."""

    def ask(*args: Any, **more: Any) -> Answer:
        async def scene() -> Any:
            return await send(*args, **more)

        answer: Answer = play(scene)
        return answer

    return ask


@pytest.fixture
def orchestrate(call: Call) -> Call:
    """orchestrate("my.operation", {...}, mode="agent") → the answer to that intent."""

    def ask(intent: str, inputs: Any = None, *, user: Any = ..., **members: Any) -> Answer:
        headers = {k: members.pop(k) for k in list(members) if k in _HEADERS}
        whose = {} if user is ... else {"user": user}
        body = {"intent": intent, "inputs": inputs if inputs is not None else {}, **members}
        return call("POST", "/orchestrate", body, **whose, **headers)

    return ask


_HEADERS = frozenset({"idempotency_key", "cache_control", "accept", "x_api_key", "authorization"})
