"""A context of tasks that records what a function says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from agents_cfg.services.secrets import secret_read
from taskmapr.core.errors import NotConfigured
from taskmapr.core.task_types import Confirmation, Permanent, TaskInterrupted, TaskWaits


@dataclass
class RecordingContext:
    """`taskmapr.core.task_types.TaskContext`; `stop_after` checks it is told to stop."""

    task_id: str
    user_id: str = ""
    attempt: int = 1
    stop_after: int | None = None
    why: Literal["cancelled", "time_limit"] = "cancelled"
    deadline: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(minutes=5))
    lines: list[str] = field(default_factory=list)
    progressed: list[tuple[float, str]] = field(default_factory=list)
    pictures: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    files: dict[str, tuple[bytes, bool]] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    partials: list[Any] = field(default_factory=list)
    #: What people said to everything; None: nothing yet.
    said: Confirmation | None = None
    has_asked: bool = False
    questions: list[tuple[str, dict[str, Any], float]] = field(default_factory=list)

    def log(self, level: str, text: str) -> None:
        self.lines.append(f"{level} {text}")

    def progress(self, percent: float, text: str = "") -> None:
        self.progressed.append((percent, text))

    def screenshot(self, name: str, data: bytes, kind: str = "step") -> None:
        assert name not in self.pictures
        self.pictures[name] = (data, kind)

    def artifact(
        self, name: str, data: bytes | Path, media_type: str, *, is_private: bool = False
    ) -> None:
        assert isinstance(data, bytes)
        self.files[name] = (data, is_private)

    def check_cancelled(self) -> None:
        if self.stop_after is not None:
            self.stop_after -= 1
            if self.stop_after < 0:
                raise TaskInterrupted(self.why)

    def confirmation(self, prompt: str, args: Mapping[str, Any], *, wait_s: float) -> Confirmation:
        self.questions.append((prompt, dict(args), wait_s))
        if self.said is None:
            raise TaskWaits
        return self.said

    def effect_begin(self, what: str) -> None:
        self.effects.append(what)

    def partial(self, result: Any) -> None:
        self.partials.append(result)

    def secret(self, name: str) -> str:
        try:
            return secret_read(name)
        except NotConfigured as error:
            raise Permanent("credentials_missing", error.detail) from None

    def hide(self, secret: str) -> None:
        self.hidden.append(secret)
