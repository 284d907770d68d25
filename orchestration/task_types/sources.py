"""Where types of tasks made in code come from."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from django.utils.module_loading import autodiscover_modules

from orchestration import task_types as builtins
from taskmapr.core.task_types import collecting, task_types


def task_types_register() -> None:
    """Import this package's modules and `task_types` of every installed app. Once per process.

    A broken module, or a name given twice, keeps the process from starting.
    """
    with collecting(task_types, "builtin"):
        for module in iter_modules(builtins.__path__, f"{builtins.__name__}."):
            import_module(module.name)
    autodiscover_modules("task_types")
