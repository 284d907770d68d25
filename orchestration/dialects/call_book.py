"""Keeps the books on the tool calls of one stream, so that each started call is completed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

_INTERRUPTED: Final = "The call was interrupted."


class CallBook:
    """What was started and how it ended, in the order of the starts."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[str, datetime]] = {}
        #: Tool and `running`, `completed` or `failed`, by call id.
        self._status: dict[str, tuple[str, str]] = {}

    def start(self, data: Mapping[str, Any], at: datetime) -> None:
        """A `tool.started` with this payload was told."""
        self._open[data["call_id"]] = (data["tool"], at)
        self._status[data["call_id"]] = (data["tool"], "running")

    def complete(self, data: Mapping[str, Any]) -> bool:
        """A `tool.completed` is to be told. False when no such call is open."""
        if self._open.pop(data["call_id"], None) is None:
            return False
        self._status[data["call_id"]] = (data["tool"], "completed" if data["ok"] else "failed")
        return True

    def interrupted(self, at: datetime | None) -> list[dict[str, Any]]:
        """Payloads of `tool.completed` for the calls that are open when the stream is cut."""
        return [
            {
                "call_id": call_id,
                "tool": tool,
                "ok": False,
                "duration_ms": int(((at or began_at) - began_at).total_seconds() * 1000),
                "error": _INTERRUPTED,
            }
            for call_id, (tool, began_at) in self._open.items()
        ]

    def statuses(self) -> list[tuple[str, str]]:
        """(tool, status) of every call."""
        return list(self._status.values())
