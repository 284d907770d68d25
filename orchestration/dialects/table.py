"""The dialects by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

from orchestration.dialects.base import Dialect
from orchestration.dialects.job import JobDialect
from orchestration.dialects.overlay import OverlayDialect
from orchestration.dialects.task_socket import TaskSocketDialect

DialectFactory = Callable[[UUID | str], Dialect]

DIALECTS: Final[dict[str, DialectFactory]] = {
    "overlay": OverlayDialect,
    "job": JobDialect,
    "task_socket": TaskSocketDialect,
}


def dialect_for(name: str, run_id: UUID | str) -> Dialect:
    """A fresh dialect for one reader of one run. Raises KeyError for an unknown name."""
    return DIALECTS[name](run_id)
