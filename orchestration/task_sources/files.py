"""Types of tasks in files of a folder: read when they appear, and again when they change."""

from __future__ import annotations

import importlib.util
import logging
import os
import stat
from pathlib import Path
from typing import Final

from orchestration.task_sources.problems import Problem
from taskmapr.core.task_types import TaskType, TaskTypeRegistry, collecting

logger = logging.getLogger(__name__)

_MODULE: Final = "taskmapr_task_file_"

#: (path, time of change, size) of each file.
Signature = tuple[tuple[str, int, int], ...]


class FolderTypes:
    """The Python files of one folder, without those that begin with `_`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[tuple[str, int, int], list[TaskType] | Problem] = {}

    def signature(self) -> Signature:
        """Changes when a file does."""
        found = []
        for path in sorted(self.folder.glob("[!_]*.py")):
            try:
                said = path.stat()
            except OSError:
                continue
            found.append((str(path), said.st_mtime_ns, said.st_size))
        return tuple(found)

    def read(self, signature: Signature) -> tuple[list[TaskType], list[Problem]]:
        """The types of these files. A file that cannot be read is a problem, once in the log."""
        self._known = {mark: self._known.get(mark) or _read(Path(mark[0])) for mark in signature}
        outcomes = self._known.values()
        types = [made for known in outcomes if isinstance(known, list) for made in known]
        return types, [known for known in outcomes if isinstance(known, Problem)]


def _read(path: Path) -> list[TaskType] | Problem:
    try:
        for checked in (path.parent, path):
            _check_owner(checked)
        return _types_in(path)
    except Exception as error:
        # Whatever its author did: the other files are read all the same.
        logger.warning("task file %s is not used: %s: %s", path, type(error).__name__, error)
        return Problem(path.name, f"{type(error).__name__}: {error}")


def _check_owner(path: Path) -> None:
    """Who can write here can do what this service can."""
    said = path.stat()
    if said.st_uid != os.geteuid():
        raise PermissionError(f"{path.name} belongs to another user")
    if said.st_mode & stat.S_IWOTH:
        raise PermissionError(f"{path.name} can be written by everybody")


def _types_in(path: Path) -> list[TaskType]:
    spec = importlib.util.spec_from_file_location(_MODULE + path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    found = TaskTypeRegistry()
    with collecting(found, "file"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return found.all()
