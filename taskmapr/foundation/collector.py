"""Python's garbage collector in processes that serve."""

from __future__ import annotations

import gc
from typing import Final

#: Allocations between two collections of the youngest objects, and their multiples for older ones.
_THRESHOLDS: Final = (10_000, 20, 20)


def collector_settle() -> None:
    """What is in memory now counts as permanent and is never looked at again.

    Called once, when everything is imported. A full collection would otherwise walk all modules,
    classes and functions of Django and the SDKs: up to a fifth of a second in which no token moves.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
