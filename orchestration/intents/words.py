"""The words in which jobs are told: their states, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from taskmapr.core import run_state
from taskmapr.core.errors import Conflict, TaskMaprError, ToolError, error_class

#: The stored status → the word that clients of jobs read.
SHOWN: Final[Mapping[str, str]] = MappingProxyType(
    {
        run_state.QUEUED: "accepted",
        run_state.RUNNING: "running",
        run_state.PAUSED: "running",
        run_state.RETRYING: "retrying",
        run_state.SUCCEEDED: "success",
        run_state.FAILED: "error",
        run_state.CANCELLED: "cancelled",
        run_state.TIMED_OUT: "timeout",
    }
)


def stored_statuses(shown: str) -> list[str]:
    """The inverse: every stored status that is shown so; empty for a word that is none."""
    return [stored for stored, word in SHOWN.items() if word == shown]


def error_told(data: Mapping[str, Any]) -> TaskMaprError:
    """The error of an `error` event, as it was raised."""
    details = data.get("details") or {}
    cls = error_class(data["code"])
    if cls is None:
        return ToolError(
            data["code"],
            data["message"],
            int(data.get("status") or 500),
            retryable=data.get("retryable"),
            details=details,
        )
    return cls(data["message"], details=details)


def cancelled() -> TaskMaprError:
    """What who waits for a job is told when somebody cancels it."""
    return Conflict("The job was cancelled.")
