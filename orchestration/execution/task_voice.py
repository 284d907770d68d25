"""The context of a task function: what it says goes to whoever holds the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from taskmapr.core.task_types import (
    Confirmation,
    LogLevel,
    Permanent,
    ScreenshotKind,
    TaskInterrupted,
    TaskWaits,
)

#: Name of a method of TaskDesk and its arguments.
Said = tuple[str, tuple[Any, ...]]
Why = Literal["cancelled", "time_limit"]
#: An answer: (True, value), or (False, (code, message)); code `stopped` is no error of the task.
Answer = tuple[bool, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What a function is told about its execution."""

    task_id: str
    user_id: str
    attempt: int
    deadline: datetime
    has_asked: bool = False
    intents: tuple[str, ...] | None = None


class TaskVoice:
    """TaskContext over a way to tell, a way to ask, and a way to know whether to stop."""

    def __init__(
        self,
        facts: TaskFacts,
        *,
        tell: Callable[[Said], None],
        ask: Callable[[Said], Answer],
        why: Callable[[], Why | None],
    ) -> None:
        """tell: returns at once. ask: waits for the answer."""
        self._facts = facts
        self._tell, self._ask, self._why = tell, ask, why

    @property
    def task_id(self) -> str:
        return self._facts.task_id

    @property
    def user_id(self) -> str:
        return self._facts.user_id

    @property
    def intents(self) -> tuple[str, ...] | None:
        return self._facts.intents

    @property
    def attempt(self) -> int:
        return self._facts.attempt

    @property
    def deadline(self) -> datetime:
        return self._facts.deadline

    @property
    def has_asked(self) -> bool:
        return self._facts.has_asked

    def log(self, level: LogLevel, text: str) -> None:
        self._tell(("log", (level, str(text))))

    def progress(self, percent: float, text: str = "") -> None:
        self._tell(("progress", (float(percent), str(text))))

    def screenshot(self, name: str, data: bytes, kind: ScreenshotKind = "step") -> None:
        self._tell(("screenshot", (name, bytes(data), kind)))

    def artifact(
        self, name: str, data: bytes | Path, media_type: str, *, is_private: bool = False
    ) -> None:
        if isinstance(data, Path):
            self._asked("artifact", name, data, media_type, is_private)
        else:
            self._tell(("artifact", (name, bytes(data), media_type, is_private)))

    def check_cancelled(self) -> None:
        if (why := self._why()) is not None:
            raise TaskInterrupted(why)

    def confirmation(self, prompt: str, args: Mapping[str, Any], *, wait_s: float) -> Confirmation:
        said = self._asked("confirmation", prompt, dict(args), wait_s)
        if said is None:
            raise TaskWaits
        return Confirmation(*said)

    def effect_begin(self, what: str) -> None:
        self._asked("effect_begin", what)

    def partial(self, result: Any) -> None:
        self._tell(("partial", (result,)))

    def secret(self, name: str) -> str:
        return str(self._asked("secret", name))

    def hide(self, secret: str) -> None:
        self._tell(("hide", (secret,)))

    def _asked(self, name: str, *args: Any) -> Any:
        is_done, value = self._ask((name, args))
        if is_done:
            return value
        code, message = value
        if code == "stopped":
            raise TaskInterrupted(self._why() or "cancelled")
        raise Permanent(code, message)
