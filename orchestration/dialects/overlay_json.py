"""The overlay's answer as one JSON object, for callers that do not want a stream.

It is a fold over the frames of the overlay dialect, so that both forms always say the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestration.dialects.base import Frame
from taskmapr.core.errors import TaskMaprError, error_class


class OverlayAnswer:
    """Collects the frames of one run."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._actions: list[dict[str, Any]] = []
        self._metadata: dict[str, Any] = {}
        self._error: dict[str, Any] | None = None
        self._complete: dict[str, Any] | None = None
        self._timestamp = ""

    def take(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self._take(frame.data)

    def _take(self, frame: dict[str, Any]) -> None:
        kind, data = frame["type"], frame["data"]
        if kind == "text_delta":
            self._text.append(data["delta"])
        elif kind == "actions":
            self._actions += data["actions"]
        elif kind == "metadata":
            self._metadata = data
        elif kind == "error":
            self._error = data
        elif kind == "complete":
            self._complete, self._timestamp = data, frame["timestamp"]

    @property
    def is_complete(self) -> bool:
        return self._complete is not None

    def problem(self) -> TaskMaprError | None:
        """The error that a failed run is answered with, else None. Its details name the run."""
        if self._error is None or self._complete is None:
            return None
        cls = error_class(self._error["code"]) or TaskMaprError
        return cls(self._error["message"], details={"run_id": self._complete["run_id"]})

    def body(self) -> dict[str, Any]:
        """The answer of a run that has ended. Raises ValueError while it has not."""
        if self._complete is None:
            raise ValueError("the run has not ended yet")
        content = "".join(self._text)
        run_id = self._complete["run_id"]
        return {
            "id": f"assistant-{run_id}",
            "role": "assistant",
            "content": content,
            "message": content,
            "timestamp": self._timestamp,
            "highlight": [
                {"selector": selector, "duration": action["payload"].get("duration")}
                for action in self._actions
                if action["type"] == "highlight"
                for selector in action["payload"].get("selectors") or ()
            ],
            "actions": self._actions,
            "metadata": self._metadata,
            "sessionId": self._complete["sessionId"],
            "run_id": run_id,
            "status": self._complete["status"],
        }
