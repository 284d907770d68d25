"""Which types of tasks there are, and who may assign which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskmapr.core.errors import TaskDisabled, UnknownTaskType
from taskmapr.core.task_types import TaskType, task_types
from taskmapr.core.tools import is_named
from taskmapr.users.credentials import Credential


def task_types_all() -> list[TaskType]:
    """Every type of this installation by name, also those that are switched off."""
    return task_types.all()


def task_types_for(credential: Credential | None) -> list[TaskType]:
    """Those that whoever presents this credential may assign (None: nobody signed in, where that
    is allowed), by name."""
    return [task_type for task_type in task_types_all() if is_assignable(task_type, credential)]


def is_assignable(task_type: TaskType, credential: Credential | None) -> bool:
    if credential is None:
        return True
    is_listed = credential.task_types is None or is_named(task_type.name, credential.task_types)
    return is_listed and all(credential.permits(scope) for scope in task_type.scopes)


def task_type_named(name: str) -> TaskType:
    """Raises UnknownTaskType."""
    found = task_types.get(name)
    if found is None:
        raise UnknownTaskType(f"There is no type of task called {name!r}.")
    return found


def task_type_to_assign(name: str, credential: Credential | None) -> TaskType:
    """The type, if it can be assigned. Raises UnknownTaskType (with those that can) and
    TaskDisabled."""
    found = next((t for t in task_types_all() if t.name == name), None)
    if found is None or not is_assignable(found, credential):
        raise UnknownTaskType(
            f"There is no type of task called {name!r}.",
            details={"available": [t.name for t in task_types_for(credential) if t.enabled]},
        )
    if not found.enabled:
        raise TaskDisabled(f"Tasks of type {name!r} are switched off.")
    return found


def task_type_of_run(subject: str, given: Mapping[str, Any]) -> TaskType:
    """The type that a run executes. `given`: the run's input. Raises UnknownTaskType."""
    return task_type_named(subject)
