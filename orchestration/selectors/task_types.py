"""Which types of tasks there are, and who may assign which."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import InterfaceError, OperationalError

from orchestration.models import TaskDefinition
from orchestration.models.task_definition import DefinitionKind
from orchestration.task_sources.code import PackagedTypes
from orchestration.task_sources.definitions import type_of_definition
from orchestration.task_sources.files import FolderTypes, Signature
from orchestration.task_sources.problems import Problem
from taskmapr.core import wired
from taskmapr.core.errors import InvalidInput, QueueUnavailable, TaskDisabled, UnknownTaskType
from taskmapr.core.task_types import TaskType, task_types
from taskmapr.core.tools import is_named
from taskmapr.foundation.database_state import is_connection_loss
from taskmapr.users.credentials import Credential

logger = logging.getLogger(__name__)

#: Under this name Redis has a text that is another one after every change.
VERSION_KEY: Final = "task-types"
#: Seconds for which a process does not look for changes.
LOOK_EVERY_S: Final = 1.0
#: Read anew after so long, whatever Redis says.
READ_EVERY_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All types at one moment, and what should have been one and is not."""

    types: Mapping[str, TaskType]
    problems: tuple[Problem, ...] = ()


class _Catalogues:
    """The present catalogue of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._packaged = PackagedTypes()
        self._folder: FolderTypes | None = None
        self._known: Catalogue | None = None
        self._mark: tuple[str | None, Signature] | None = None
        self._look_at = self._read_at = 0.0
        self._of_packages: tuple[list[TaskType], list[Problem]] = ([], [])
        self._last: list[TaskDefinition] = []

    def now(self) -> Catalogue:
        """At most a second behind changes elsewhere. While Postgres is away, as it was last."""
        known = self._known
        if known is not None and time.monotonic() < self._look_at:
            return known
        with self._lock:
            return self._looked()

    def forget(self) -> None:
        """Read everything anew the next time."""
        self._look_at, self._mark = 0.0, None

    def _looked(self) -> Catalogue:
        moment = time.monotonic()
        mark = (_version(), self._signature())
        if self._known is None or mark != self._mark or moment > self._read_at:
            # Looking through all installed packages takes long: only when somebody said so.
            if self._mark is None or mark[0] != self._mark[0]:
                self._of_packages = self._packaged.read()
            self._known = self._read(mark[1])
            self._mark, self._read_at = mark, moment + READ_EVERY_S
        self._look_at = moment + LOOK_EVERY_S
        return self._known

    def _signature(self) -> Signature:
        folder: Path | None = settings.TASKMAPR["tasks_dir"]
        if folder is None:
            self._folder = None
            return ()
        if self._folder is None or self._folder.folder != folder:
            self._folder = FolderTypes(folder)
        return self._folder.signature()

    def _read(self, signature: Signature) -> Catalogue:
        packaged, problems = self._of_packages
        found = [*task_types.all(), *packaged]
        if self._folder is not None:
            filed, more = self._folder.read(signature)
            found, problems = [*found, *filed], [*problems, *more]
        types: dict[str, TaskType] = {}
        for made in found:
            if types.setdefault(made.name, made) is not made:
                problems.append(Problem(made.name, "the name is taken by an earlier source"))
        defined, more = _with_definitions(types, self._definitions())
        return Catalogue(types=defined, problems=(*problems, *more))

    def _definitions(self) -> list[TaskDefinition]:
        try:
            self._last = list(TaskDefinition.objects.all())
        except (OperationalError, InterfaceError) as error:
            if not is_connection_loss(error):
                raise
            logger.warning("task types are as they were: the database is away")
        return self._last


catalogues = _Catalogues()


def _version() -> str | None:
    try:
        return wired.ports().standby.recall(VERSION_KEY)
    except QueueUnavailable:
        return None


def _with_definitions(
    types: dict[str, TaskType], rows: list[TaskDefinition]
) -> tuple[dict[str, TaskType], list[Problem]]:
    problems = []
    for row in rows:
        made = types.get(row.name)
        if row.kind == DefinitionKind.CODE and made is not None:
            types[row.name] = replace(
                made,
                enabled=made.enabled and row.is_enabled,
                concurrency=row.concurrency or made.concurrency,
            )
    code = dict(types)
    sequences = []
    for row in rows:
        if row.kind == DefinitionKind.CODE:
            continue
        if row.name in code:
            problems.append(Problem(row.name, "the name is taken by an earlier source"))
        elif row.kind == DefinitionKind.SEQUENCE:
            sequences.append(row)
        else:
            problems += _made(row, code, types)
    return types, problems + _with_sequences(types, sequences)


def _with_sequences(types: dict[str, TaskType], rows: list[TaskDefinition]) -> list[Problem]:
    """Each after those that it is made of; what has gone wrong is returned."""
    problems: list[Problem] = []
    waiting = {row.name: row for row in rows}
    while ready := [row for row in waiting.values() if not _named_in(row) & waiting.keys()]:
        for row in ready:
            del waiting[row.name]
            problems += _made(row, types, types)
    return problems + [Problem(name, "its steps lead back to itself") for name in waiting]


def _named_in(row: TaskDefinition) -> set[str]:
    steps = row.content.get("steps")
    named = (step.get("type") for step in steps if isinstance(step, dict)) if steps else ()
    return {name for name in named if isinstance(name, str)}


def _made(
    row: TaskDefinition, known: Mapping[str, TaskType], types: dict[str, TaskType]
) -> list[Problem]:
    """The row's type is among `types` then, if one can be made of it."""
    try:
        made = type_of_definition(row.snapshot(), known.get)
    except InvalidInput as error:
        return [Problem(row.name, error.detail)]
    # What is made of a type that is switched off is off as well.
    types[row.name] = replace(made, enabled=made.enabled and row.is_enabled)
    return []


def task_types_all() -> list[TaskType]:
    """Every type of this installation by name, also those that are switched off."""
    types = catalogues.now().types
    return [types[name] for name in sorted(types)]


def task_type_problems() -> tuple[Problem, ...]:
    """What should have been a type: broken files and packages, taken names, bad definitions."""
    return catalogues.now().problems


def task_types_for(credential: Credential | None) -> list[TaskType]:
    """Those that whoever presents this credential may assign (None: nobody signed in, where that
    is allowed), by name."""
    return [task_type for task_type in task_types_all() if is_assignable(task_type, credential)]


def is_assignable(task_type: TaskType, credential: Credential | None) -> bool:
    if credential is None:
        return True
    return may_assign(credential, task_type.name) and all(
        credential.permits(scope) for scope in task_type.scopes
    )


def may_assign(credential: Credential, name: str) -> bool:
    """Whether the credential is for types of this name at all."""
    return credential.task_types is None or is_named(name, credential.task_types)


def task_type_named(name: str) -> TaskType:
    """Raises UnknownTaskType."""
    found = catalogues.now().types.get(name)
    if found is None:
        raise UnknownTaskType(f"There is no type of task called {name!r}.")
    return found


def task_type_to_assign(name: str, credential: Credential | None) -> TaskType:
    """The type, if it can be assigned. Raises UnknownTaskType (with those that can) and
    TaskDisabled."""
    found = catalogues.now().types.get(name)
    if found is None or not is_assignable(found, credential):
        raise UnknownTaskType(
            f"There is no type of task called {name!r}.",
            details={"available": [t.name for t in task_types_for(credential) if t.enabled]},
        )
    if not found.enabled:
        raise TaskDisabled(f"Tasks of type {name!r} are switched off.")
    return found


def task_type_at_hand(subject: str, given: Mapping[str, Any]) -> TaskType | None:
    """The same as `task_type_of_run` where that is known without asking anybody; else None."""
    has_definition = (given.get("settings") or {}).get("definition") is not None
    return None if has_definition else task_types.get(subject)


def task_type_of_run(subject: str, given: Mapping[str, Any]) -> TaskType:
    """The type that a run executes, as it was when the run was assigned if operators wrote it down.

    `given`: the run's input. Raises UnknownTaskType.
    """
    definition = (given.get("settings") or {}).get("definition")
    if definition is None:
        # What is made in code needs neither Redis nor Postgres to be found.
        return task_types.get(subject) or task_type_named(subject)
    try:
        return type_of_definition(definition, catalogues.now().types.get)
    except InvalidInput as error:
        raise UnknownTaskType(error.detail) from None


def task_type_of_step(definition: Mapping[str, Any], name: str) -> TaskType:
    """The type of a step, as it was when its sequence was assigned. definition: of the sequence;
    empty for one that is made in code.

    Raises UnknownTaskType and TaskDisabled: what operators switched off begins no more.
    """
    kept = definition.get("types") or {}
    present = catalogues.now().types.get(name)
    if present is not None and not present.enabled:
        raise TaskDisabled(f"Tasks of type {name!r} are switched off.")
    if name not in kept:
        return present or task_type_named(name)
    within = {"types": kept} if kept[name]["kind"] == DefinitionKind.SEQUENCE else {}
    try:
        return type_of_definition({**kept[name], **within}, catalogues.now().types.get)
    except InvalidInput as error:
        raise UnknownTaskType(error.detail) from None
