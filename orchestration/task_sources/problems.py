from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """Something that should have given types of tasks and did not."""

    #: A file, an entry point, or the name of a type.
    where: str
    message: str
