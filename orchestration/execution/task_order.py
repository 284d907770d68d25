"""What is to be executed, and how a function of either sort is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.execution.task_outcome import Outcome, outcome_raised, outcome_returned
from orchestration.execution.task_voice import TaskFacts, TaskVoice
from taskmapr.core.task_types import TaskType


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOrder:
    """Can be sent to another process, which looks the type up by itself."""

    type_name: str
    #: The run's input; `params` are in it.
    given: Mapping[str, Any]
    facts: TaskFacts

    @property
    def params(self) -> dict[str, Any]:
        return dict(self.given.get("params") or {})


async def performed(order: TaskOrder, task_type: TaskType, voice: TaskVoice) -> Outcome:
    """An async function's outcome. Never raises: functions come from many authors."""
    try:
        return outcome_returned(await task_type.handler(order.params, voice))
    except BaseException as error:
        return outcome_raised(error, task_type.retry_on)


def performed_sync(order: TaskOrder, task_type: TaskType, voice: TaskVoice) -> Outcome:
    """The same for a sync function."""
    try:
        return outcome_returned(task_type.handler(order.params, voice))
    except BaseException as error:
        return outcome_raised(error, task_type.retry_on)
