"""How one execution of a task function went."""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from taskmapr.core.errors import TaskMaprError
from taskmapr.core.task_types import Retryable, TaskInterrupted, TaskWaits

MESSAGE_LENGTH: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Can be sent from one process to another.

    `retryable`: another attempt may succeed. `permanent`: the function said that none will.
    `stopped`: it ended because it was told to. `unhandled`: something that it did not foresee.
    `lost`: its process died, or it had to be given up. `waits`: it needs a person's word first.
    """

    kind: Literal["returned", "retryable", "permanent", "stopped", "unhandled", "lost", "waits"]
    #: What it returned, as plain JSON values.
    value: Any = None
    code: str = ""
    #: Safe to show; without a stack.
    message: str = ""
    after_s: float | None = None
    #: For staff alone.
    stack: str = ""


def outcome_returned(value: Any) -> Outcome:
    """`value` becomes plain JSON; what cannot become JSON is a fault of the function."""
    try:
        plain = orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    except TypeError as error:
        return Outcome(kind="unhandled", message=f"The result is not JSON: {error}")
    return Outcome(kind="returned", value=plain)


def outcome_raised(error: BaseException, retry_on: tuple[type[Exception], ...]) -> Outcome:
    """What this exception means. `retry_on`: those of which another attempt is expected to be
    spared."""
    message = (str(error) or type(error).__name__)[:MESSAGE_LENGTH]
    match error:
        case TaskInterrupted() | asyncio.CancelledError():
            return Outcome(kind="stopped", message=message)
        case TaskWaits():
            return Outcome(kind="waits", message=message)
        case Retryable():
            return Outcome(kind="retryable", message=message, after_s=error.after_s)
        case TaskMaprError():
            kind: Literal["retryable", "permanent"] = (
                "retryable" if error.retryable else "permanent"
            )
            return Outcome(kind=kind, code=error.code, message=error.detail[:MESSAGE_LENGTH])
        case _ if isinstance(error, retry_on):
            return Outcome(kind="retryable", message=f"{type(error).__name__}: {message}")
    stack = "".join(traceback.format_exception(error))
    name = type(error).__name__
    return Outcome(kind="unhandled", message=f"{name}: {message}", stack=stack)
