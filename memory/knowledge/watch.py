"""Whether the knowledge folder looks other than when it was last taken over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from memory.knowledge.files import Found, collections_find

#: After a look no other one is made for so many times as long as it took: looking costs at most a
#: twentieth of a thread, whatever the size of the folder. A small folder is looked at every time.
REST: Final = 20


class FolderWatch:
    """One per process. Knows only what this process looked at; costs nothing while nobody asks."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._settled: tuple[Path, Found] | None = None
        self._rests_until = 0.0

    def has_changed(self, root: Path) -> bool:
        """True when there is something to take over. Reads the folder, or rests from reading it."""
        with self._lock:
            is_known = self._settled is not None and self._settled[0] == root
            if is_known and self._now() < self._rests_until:
                return False
            began = self._now()
            found = collections_find(root)
            ended = self._now()
            self._rests_until = ended + (ended - began) * REST
            return found is not None and (root, found) != self._settled

    def settle(self, root: Path, found: Found) -> None:
        """What was found has been taken over."""
        with self._lock:
            self._settled = (root, found)

    def forget(self) -> None:
        with self._lock:
            self._settled = None


#: The one watch of this process.
watch = FolderWatch()
