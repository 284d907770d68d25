"""Which lines are kept in files, and where."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from django.core.exceptions import ImproperlyConfigured

from taskmapr.foundation.telemetry.logs import LogFiles
from taskmapr.settings.env import Env

#: Lives of tasks in the one; of intents, with what they ask of others, in the other.
_LOGGERS: Final = {
    "automation.log": ["taskmapr.foundation.telemetry.task_lines"],
    "orchestrator.log": [
        "orchestration.services.intent_runs",
        "orchestration.engines.intents",
        "orchestration.engines.attempts",
        "orchestration.services.flow_resume",
        "orchestration.delivering",
        "taskmapr.foundation.http.breakers",
    ],
}


def log_files_of(env: Env, data_dir: Path, *, is_test: bool) -> LogFiles | None:
    """None: no files. Raises ImproperlyConfigured for a folder that cannot be one."""
    given = env.text("LOG_DIR")
    if given == "none" or (is_test and not given):
        return None
    folder = Path(given).resolve() if given else data_dir / "logs"
    if given and not _can_be_written(folder):
        raise ImproperlyConfigured(f"LOG_DIR must be a folder that can be written, not {given!r}")
    return LogFiles(
        folder=folder,
        max_bytes=env.integer("TASKMAPR_LOG_MAX_BYTES", 10 * 1024 * 1024, minimum=1024),
        backups=env.integer("TASKMAPR_LOG_BACKUPS", 5, minimum=1, maximum=100),
        loggers=_LOGGERS,
    )


def _can_be_written(folder: Path) -> bool:
    """It is there, or it can be made."""
    while not folder.exists():
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
