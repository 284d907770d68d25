"""Tasks of types made for one test, carried out in this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.files.storage import storages

from orchestration.engines import queue_tasks
from orchestration.log.store import events_after
from orchestration.models import Run
from taskmapr.core.events import Event
from taskmapr.core.task_types import TaskFunction, TaskType, task_types
from tests.orchestration.conftest import StartRun
from tests.orchestration.engines.driving import refreshed, run_carry


@dataclass(frozen=True)
class Ended:
    """A task after it was carried as far as one worker carries it."""

    run: Run
    events: list[Event]

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        return [event.data for event in self.events if event.kind == kind]

    @property
    def result(self) -> Any:
        return self.of("result")[-1].get("value")

    @property
    def end(self) -> tuple[str, str]:
        return self.run.status, self.run.error_code


Execute = Callable[..., Ended]


async def threads_end(name: str) -> None:
    """Threads of this name are through. The loop goes on meanwhile: they may still talk to it."""
    for thread in [thread for thread in threading.enumerate() if thread.name == name]:
        await asyncio.to_thread(thread.join, 20)
        assert not thread.is_alive()


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, settings: Any) -> Iterator[None]:
    options = {"location": tmp_path}
    kept = {**settings.STORAGES["artifacts"], "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "artifacts": kept}
    storages._storages.pop("artifacts", None)  # type: ignore[attr-defined]
    yield
    storages._storages.pop("artifacts", None)  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_tasks, "BACKOFF_FIRST_S", 0.02)
    monkeypatch.setattr(queue_tasks, "GRACE_S", {"time_limit": 0.3, "cancelled": 0.3})


@pytest.fixture
def of_type() -> Iterator[Callable[..., TaskType]]:
    """Makes a function a type of task for this test: of_type(handler, **fields)."""
    made: list[str] = []

    def make(handler: TaskFunction, **fields: Any) -> TaskType:
        task_type = task_types.add(TaskType(**{"name": "trial", "handler": handler, **fields}))
        made.append(task_type.name)
        return task_type

    yield make
    task_types.remove(made)


@pytest.fixture
def execute(start: StartRun, of_type: Callable[..., TaskType]) -> Execute:
    """execute(handler or name of a type, params, settings, **fields of the type)"""

    def carry(
        what: TaskFunction | str,
        params: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Ended:
        name = what if isinstance(what, str) else of_type(what, **fields).name
        given = {"params": params or {}, "settings": settings or {}}
        run = start(kind="task", subject=name, session_id=None, prompt="", input=given)
        async_to_sync(run_carry)(run.pk)
        return Ended(refreshed(run), events_after(run.pk, 0))

    return carry
