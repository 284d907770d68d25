"""The body of a callback (Standard Webhooks: `type`, `timestamp`, `data`), version of 2026.

`data` is the object that clients also get when they ask for the run, made by the code that answers
them: which, says one row per kind of run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from taskmapr.core import run_state
from taskmapr.core.timestamps import timestamp_of

_ENDS: Final = {
    run_state.SUCCEEDED: "completed",
    run_state.FAILED: "failed",
    run_state.TIMED_OUT: "failed",
    run_state.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """How runs of one kind are told of.

    noun: the first half of `type`. document: dotted path `module:name` of a function that takes a
    run's id and gives the object that its owner gets: JSON that orjson can write. Sync; may read
    the database.
    """

    noun: str
    document: str


#: By kind of run.
CALLBACKS: Final[dict[str, Callback]] = {
    "intent": Callback(noun="job", document="orchestration.selectors.told:job_told"),
    "task": Callback(noun="task", document="orchestration.selectors.tasks:task_document"),
}


def webhook_type(noun: str, status: str) -> str:
    """status: a final one, as stored. Raises KeyError for others."""
    return f"{noun}.{_ENDS[status]}"


def webhook_body(*, noun: str, status: str, at: datetime, data: Mapping[str, Any]) -> bytes:
    """The raw body, as it is signed and sent. at: when the run ended."""
    told = {
        "type": webhook_type(noun, status),
        "timestamp": timestamp_of(at),
        "data": data,
    }
    return orjson.dumps(told)
