"""What browsers left on this machine: a folder per task, kept as long as other files of tasks."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path
from uuid import UUID


def downloads_prune(folder: Path, *, kept_s: float) -> None:
    """Folders of tasks that nobody has written to for so long are gone. Others, whoever put them
    there, stay. For whoever is about to add one: no other machine sees them."""
    before = time.time() - kept_s
    for place in folder.glob("*"):
        with suppress(OSError):
            if _is_of_task(place.name) and place.stat().st_mtime < before:
                shutil.rmtree(place, ignore_errors=True)


def _is_of_task(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
