"""Types of tasks that operators write down, and what they say of those made in code."""

from __future__ import annotations

import logging
from uuid import uuid4

import jsonschema
from django.db import transaction

from orchestration.models import TaskDefinition
from orchestration.models.task_definition import DefinitionKind
from orchestration.selectors.task_types import VERSION_KEY, catalogues, task_types_all
from orchestration.task_sources.definitions import type_of_definition
from taskmapr.core import wired
from taskmapr.core.errors import InvalidInput, QueueUnavailable

logger = logging.getLogger(__name__)


def task_definition_check(definition: TaskDefinition) -> None:
    """Raises InvalidInput when it would make no type, or has the name of another one."""
    if definition.kind == DefinitionKind.CODE:
        return
    taken = catalogues.now().types.get(definition.name)
    if taken is not None and taken.source != "admin":
        raise InvalidInput.of(("name", "a type made in code has this name"))
    if not isinstance(definition.content, dict) or not isinstance(definition.params_schema, dict):
        raise InvalidInput.of(("content", "must be an object, and so must be the schema"))
    made = type_of_definition(definition.snapshot(), catalogues.now().types.get)
    try:
        jsonschema.Draft202012Validator.check_schema(dict(made.params_schema))
    except jsonschema.SchemaError as error:
        raise InvalidInput.of(("params_schema", error.message[:300])) from None


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
