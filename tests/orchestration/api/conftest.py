"""Requests through the whole middleware chain and a real Redis, without a worker."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.test import AsyncClient

from orchestration.api import settling
from orchestration.live import live_close
from orchestration.models import Run
from orchestration.services.run_end import run_cancel
from taskmapr import wiring
from taskmapr.core import wired
from taskmapr.foundation.aio import in_database
from taskmapr.users.models import User
from taskmapr.users.services.sign_ins import tokens_issue
from tests.fakes import RecordingQueue


@dataclass
class Answer:
    """A response, read to its end."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def frames(self) -> list[dict[str, Any]]:
        lines = self.body.decode().split("\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]

    @property
    def ids(self) -> list[str]:
        return [line[4:] for line in self.body.decode().split("\n") if line.startswith("id: ")]


Call = Callable[..., Answer]


@pytest.fixture
def call(
    ports: wired.Ports, redis_url: str, queue: RecordingQueue, ada: User, settings: Any
) -> Call:
    """call("POST", path, body, user=…) → Answer. Ada asks unless told otherwise; None: nobody."""
    wired.wire(replace(wiring.build(), queue=queue))
    tokens: dict[Any, str] = {}

    def send(
        method: str,
        path: str,
        body: Any = None,
        *,
        user: User | None = ada,
        content_type: str = "application/json",
        **headers: str,
    ) -> Answer:
        if user is not None:
            if user.pk not in tokens:
                tokens[user.pk] = tokens_issue(user_id=user.pk).access_token
            headers.setdefault("authorization", f"Bearer {tokens[user.pk]}")
        data = body if isinstance(body, bytes | str) else json.dumps(body) if body else b""
        return async_to_sync(_send)(method, path, data, content_type, headers)

    return send


async def _send(method: str, path: str, data: Any, content_type: str, headers: Any) -> Answer:
    client = AsyncClient(raise_request_exception=False)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        response: HttpResponse = await client.generic(
            method, path, data, content_type=content_type, headers=named
        )
        if response.streaming:
            body = b"".join([part async for part in response.streaming_content])
        else:
            body = response.content
        return Answer(response.status_code, response.headers, body)
    finally:
        await live_close()


@pytest.fixture
def ends_when_asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """The live log has the end of this run already; its rows are written when it is asked."""

    def arrange(run: Run) -> None:
        def end() -> None:
            Run.objects.filter(pk=run.pk).update(lease_expires_at=None)
            run_cancel(run_id=run.pk, by="ada")

        class Log:
            async def at_rest(self, run_ids: Collection[UUID]) -> set[UUID]:
                assert list(run_ids) == [run.pk]
                await in_database(end)
                return set(run_ids)

        monkeypatch.setattr(settling, "live", Log)

    return arrange
