"""Types of tasks that operators write down, and what they say of those made in code."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import jsonschema
from django.db import transaction

from orchestration.models import TaskDefinition
from orchestration.models.task_definition import DefinitionKind
from orchestration.selectors.task_types import VERSION_KEY, catalogues, task_types_all
from orchestration.task_sources.definitions import type_of_definition
from taskmapr.core import wired
from taskmapr.core.errors import InvalidInput, QueueUnavailable
from taskmapr.core.task_types import TIMEOUT_MAX_S, TaskType

logger = logging.getLogger(__name__)

Problem = tuple[str, str]
#: Members of the content that are objects where they are given.
_OBJECTS: Final[Mapping[str, tuple[str, ...]]] = {
    DefinitionKind.ALIAS: ("params",),
    DefinitionKind.INTENT: ("inputs",),
    DefinitionKind.HTTP_REQUEST: ("headers", "secrets"),
}


def task_definition_check(definition: TaskDefinition) -> None:
    """Raises InvalidInput when it would make no type, or has the name of another one."""
    if definition.kind == DefinitionKind.CODE:
        return
    taken = catalogues.now().types.get(definition.name)
    if taken is not None and taken.source != "admin":
        raise InvalidInput.of(("name", "a type made in code has this name"))
    if problems := _shape_problems(definition):
        raise InvalidInput.of(*problems)
    find = catalogues.now().types.get
    made = type_of_definition(definition.snapshot(), find)
    try:
        jsonschema.Draft202012Validator.check_schema(dict(made.params_schema))
    except jsonschema.SchemaError as error:
        raise InvalidInput.of(("params_schema", error.message[:300])) from None
    if definition.kind == DefinitionKind.ALIAS:
        aliased = find(definition.content["type"])
        if problems := _preset_problems(aliased, definition.content.get("params") or {}):
            raise InvalidInput.of(*problems)


def _shape_problems(definition: TaskDefinition) -> list[Problem]:
    """What the page's JSON and numbers must be before anything can be made of them."""
    problems = [
        (name, "must be an object")
        for name in ("content", "params_schema", "example")
        if not isinstance(getattr(definition, name), dict)
    ]
    if not problems:
        content, schema = definition.content, definition.params_schema
        problems += [
            ("content", f"{name}: must be an object")
            for name in _OBJECTS.get(definition.kind, ())
            if not isinstance(content.get(name) or {}, dict)
        ]
        if schema and schema.get("type") != "object":
            problems.append(("params_schema", 'must describe an object: {"type": "object", …}'))
    if not 0 < definition.timeout_s <= TIMEOUT_MAX_S:
        problems.append(("timeout_s", f"must be more than 0 and at most {TIMEOUT_MAX_S}"))
    return problems


def _preset_problems(aliased: TaskType | None, preset: Mapping[str, Any]) -> list[Problem]:
    """Values that every task of the aliased type would refuse. What is missing may be sent."""
    if aliased is None:
        return []
    problems = aliased.problems_of(preset)
    return [("content", f"{path}: {told}") for path, told in problems if path != "params"][:10]


@transaction.atomic
def task_definition_save(*, definition: TaskDefinition, by: str) -> TaskDefinition:
    """Store it as its next version; within seconds every process has it. `by`: for the log.

    Tasks that were assigned before keep their version. Raises InvalidInput.
    """
    task_definition_check(definition)
    if not definition._state.adding:
        stored = TaskDefinition.objects.select_for_update().get(pk=definition.pk)
        definition.version = stored.version + 1
    definition.save()
    logger.info("task type %s version %d by %s", definition.name, definition.version, by)
    transaction.on_commit(task_types_reload)
    return definition


@transaction.atomic
def task_definition_delete(*, definition: TaskDefinition, by: str) -> None:
    """Tasks that wait are executed all the same, as they were assigned."""
    logger.info("task type %s deleted by %s", definition.name, by)
    definition.delete()
    transaction.on_commit(task_types_reload)


def task_types_reload() -> None:
    """Every process looks again at all sources, within seconds; without Redis within half a
    minute."""
    catalogues.forget()
    try:
        wired.ports().standby.remember({VERSION_KEY: uuid4().hex})
    except QueueUnavailable:
        logger.warning("other processes learn of changed task types later: Redis is away")


def task_definitions_note() -> None:
    """Every type made in code has a row, so that operators can switch it off."""
    TaskDefinition.objects.bulk_create(
        (
            TaskDefinition(
                name=made.name,
                kind=DefinitionKind.CODE,
                title=made.title[:200],
                danger=made.danger,
                timeout_s=made.timeout_s,
                max_retries=made.max_retries,
            )
            for made in task_types_all()
            if made.source != "admin"
        ),
        ignore_conflicts=True,
    )
