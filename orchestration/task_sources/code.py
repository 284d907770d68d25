"""Types of tasks made in code: our own, those of installed apps, those of installed packages."""

from __future__ import annotations

import importlib
import logging
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from typing import Final

from django.utils.module_loading import autodiscover_modules

from orchestration import task_types as builtins
from orchestration.task_sources.problems import Problem
from taskmapr.core.task_types import TaskType, TaskTypeRegistry, collecting, task_types

logger = logging.getLogger(__name__)

ENTRY_POINTS: Final = "taskmapr.tasks"


def task_types_register() -> None:
    """Import our own types and the module `task_types` of every installed app. Once per process.

    A broken module, or a name given twice, keeps the process from starting.
    """
    with collecting(task_types, "builtin"):
        for module in iter_modules(builtins.__path__, f"{builtins.__name__}."):
            importlib.import_module(module.name)
    autodiscover_modules("task_types")


class PackagedTypes:
    """Those of packages that name modules under the entry point `taskmapr.tasks`."""

    def __init__(self) -> None:
        self._known: dict[str, list[TaskType]] = {}

    def read(self) -> tuple[list[TaskType], list[Problem]]:
        """Also finds packages that were installed meanwhile. A module is imported once."""
        importlib.invalidate_caches()
        problems = []
        for point in entry_points(group=ENTRY_POINTS):
            if point.value not in self._known:
                try:
                    self._known[point.value] = _loaded(point)
                except Exception as error:
                    # Written by others: theirs is missing, everything else is there.
                    logger.exception("entry point %s cannot be loaded", point.name)
                    problems.append(Problem(point.name, f"{type(error).__name__}: {error}"))
        return [made for types in self._known.values() for made in types], problems


def _loaded(point: EntryPoint) -> list[TaskType]:
    found = TaskTypeRegistry()
    with collecting(found, "entry_point"):
        point.load()
    return found.all()
