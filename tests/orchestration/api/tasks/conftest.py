"""Tasks at their doorway: assigned by requests, carried out in this process where a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync

from orchestration.models import Run
from orchestration.selectors.task_types import catalogues
from taskmapr.core.task_types import TaskFunction, TaskType, task_types
from taskmapr.users.models import User
from taskmapr.users.services.api_keys import KeyBounds, api_key_issue
from tests.orchestration.api.conftest import Call
from tests.orchestration.engines.driving import refreshed, run_carry


@pytest.fixture
def assign(call: Call) -> Callable[..., str]:
    """assign(params, **members of the body) → the id of Ada's new `test_task`."""

    def order(params: Any = None, **members: Any) -> str:
        body = {"task_type": "test_task", "params": {"duration_s": 0, **(params or {})}, **members}
        answer = call("POST", "/assign-task/", body)
        assert answer.status == 200, answer.body
        return str(answer.json["task_id"])

    return order


@pytest.fixture
def carried() -> Callable[[str], Run]:
    """Carries a task to where one worker carries it."""

    def carry(task_id: str) -> Run:
        async_to_sync(run_carry)(UUID(task_id))
        return refreshed(Run.objects.get(pk=task_id))

    return carry


@pytest.fixture
def key_of() -> Callable[..., dict[str, str]]:
    """key_of(user, *scopes, **bounds) → the header with a new key."""

    def issue(user: User, *scopes: str, rate: int | None = None, **bounds: Any) -> dict[str, str]:
        made = api_key_issue(
            user_id=user.pk,
            name="program",
            scopes=scopes or ("tasks:read", "tasks:assign", "tasks:cancel"),
            rate_per_minute=rate,
            bounds=KeyBounds(**bounds),
        )
        return {"x-api-key": made.text}

    return issue


@pytest.fixture
def of_type() -> Iterator[Callable[..., TaskType]]:
    """Makes a function a type of task for this test: of_type(handler, **fields)."""
    made: list[str] = []

    def make(handler: TaskFunction, **fields: Any) -> TaskType:
        task_type = task_types.add(TaskType(**{"name": "trial", "handler": handler, **fields}))
        made.append(task_type.name)
        catalogues.forget()
        return task_type

    yield make
    task_types.remove(made)
    catalogues.forget()
