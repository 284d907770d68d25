"""Python's garbage collector in processes of ours."""

from __future__ import annotations

import atexit
import gc
from typing import Final

#: Allocations between two collections of the youngest objects, and their multiples for older ones.
#: Requests leave circles behind: looked for in 200,000 objects at once, they held everything up for
#: a quarter of a second.
_THRESHOLDS: Final = (10_000, 5, 80)
_THRESHOLDS_WHILE_STARTING: Final = (50_000, 20, 20)


def collector_spare() -> None:
    """Collect seldom while modules are imported, and nothing when the process ends.

    Called once, before a process imports much. Nearly all that it makes then is permanent: looking
    at it again and again is a quarter of a worker's start, and walking it all a last time half a
    second of every command's end.
    """
    gc.set_threshold(*_THRESHOLDS_WHILE_STARTING)
    atexit.register(gc.freeze)


def collector_settle() -> None:
    """What is in memory now counts as permanent and is never looked at again.

    Called once, when everything is imported. A full collection would otherwise walk all modules,
    classes and functions of Django and the SDKs: up to a fifth of a second in which no token moves.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
