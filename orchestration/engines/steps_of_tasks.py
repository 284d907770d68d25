"""A task whose work is done by others, one after another: its steps.

While a step goes on, the run waits without a worker; whoever takes it up again finds in the
database what became of the steps so far, and begins the next one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from orchestration.execution.drive import HeldRun, Paused
from orchestration.execution.task_desk import TaskDesk
from orchestration.selectors.sequence_steps import StepSoFar, sequence_steps_so_far
from orchestration.sequences.templates import filled
from orchestration.services.artifacts import is_inline
from orchestration.services.sequence_steps import (
    Step,
    sequence_step_begin,
    sequence_step_refuse,
)
from taskmapr.core.errors import InvalidInput, TaskFailed, TaskMaprError, TimeLimit
from taskmapr.core.events import ApprovalRequested
from taskmapr.core.run_kinds import TASK
from taskmapr.core.task_types import LogLevel, StepPlan
from taskmapr.core.timestamps import timestamp_of
from taskmapr.foundation.aio import in_database

FAILED: Final = "step_failed"


class StepsOfTask:
    """One attempt: from the last step that is over to the next one that is waited for."""

    def __init__(
        self, held: HeldRun, plans: Sequence[StepPlan], desk: TaskDesk, *, limit_s: float
    ) -> None:
        self._held, self._plans, self._desk = held, plans, desk
        self._limit_s = limit_s
        self._done: list[StepSoFar] = []

    async def result(self) -> dict[str, Any]:
        """{steps, completed, failed}. Raises Paused while a step goes on, TaskFailed when one has
        failed behind which nothing follows, and TimeLimit."""
        if self._held.claim.kind != TASK.name:
            raise TaskFailed("not_a_task", "What has steps is carried out as a task only.")
        try:
            return await self._carried_on()
        except TaskMaprError:
            self._tell_partial()
            raise

    async def _carried_on(self) -> dict[str, Any]:
        self._done = await self._so_far()
        if self._done and self._done[-1].is_over:
            self._tell_end(self._done[-1])
        while True:
            if self._done:
                await self._check(self._done[-1])
            if len(self._done) == len(self._plans):
                self._desk.hear(("progress", (100, self._counted())))
                return self._told()
            await self._begin(len(self._done) + 1)

    async def _check(self, last: StepSoFar) -> None:
        """Of the steps so far only the last one may be under way, or be the end of all."""
        if not last.is_over:
            if last.is_late:
                raise TimeLimit("The task took longer than it may.")
            raise await self._waiting(last)
        if last.has_failed and not self._plans[last.position - 1].goes_on:
            raise TaskFailed(FAILED, f"Step {self._named(last)}, failed: {_shown(last.error)}")

    async def _begin(self, position: int) -> None:
        plan = self._plans[position - 1]
        step = Step(claim=self._held.claim, position=position, plan=plan, limit_s=self._limit_s)
        try:
            params = filled(plan.params, self._known())
        except InvalidInput as error:
            await in_database(partial(sequence_step_refuse, step=step, error=error))
        else:
            await in_database(partial(sequence_step_begin, step=step, params=params))
        self._done = await self._so_far()
        begun = self._done[-1]
        if begun.task_id is not None:
            fraction = 100 * (position - 1) / len(self._plans)
            self._desk.hear(("progress", (fraction, f"step {self._named(begun)}")))
            self._say("info", begun, f"{begun.task_type} begins as task {begun.task_id}")
        if begun.is_over:
            self._tell_end(begun)

    async def _waiting(self, step: StepSoFar) -> Paused:
        """What is raised to leave the run until the end of the step's task."""
        await self._desk.settle()
        asked = str(step.approval_id)
        # An attempt that was lost may have told it before.
        if asked not in self._held.writer.state.open_approvals and step.expires_at is not None:
            self._held.writer.append(
                ApprovalRequested(
                    approval_id=asked,
                    asks="question",
                    expires_at=timestamp_of(step.expires_at),
                    tool=step.task_type,
                    step={
                        "name": step.name,
                        "position": step.position,
                        "task_type": step.task_type,
                        "task_id": str(step.task_id),
                    },
                )
            )
        return Paused(step.name)

    async def _so_far(self) -> list[StepSoFar]:
        return await in_database(sequence_steps_so_far, self._held.run_id)

    def _known(self) -> dict[str, Any]:
        return {
            "params": self._held.claim.input.get("params") or {},
            "steps": {step.name: step.as_known() for step in self._done},
        }

    # Telling -------------------------------------------------------------------------------------

    def _told(self) -> dict[str, Any]:
        steps = [
            {
                "name": step.name,
                "task_type": step.task_type,
                **step.as_known(),
                "duration_ms": step.duration_ms,
            }
            for step in self._done
        ]
        return {
            "steps": steps,
            "completed": sum(step.is_over and not step.has_failed for step in self._done),
            "failed": [step.name for step in self._done if step.has_failed],
        }

    def _tell_partial(self) -> None:
        """What the steps gave so far; without their outputs where these are too large."""
        over = self._told()
        if not is_inline(over):
            over["steps"] = [{**s, "output": {"truncated": True}} for s in over["steps"]]
        self._desk.hear(("partial", (over,)))

    def _tell_end(self, step: StepSoFar) -> None:
        if step.has_failed:
            self._say("error", step, f"failed: {_shown(step.error)}")
        else:
            self._say("info", step, f"completed in {(step.duration_ms or 0) / 1000:.1f} s")

    def _say(self, level: LogLevel, step: StepSoFar, text: str) -> None:
        self._desk.hear(("log", (level, f"step {self._named(step)}: {text}")))

    def _named(self, step: StepSoFar) -> str:
        return f"{step.position} of {len(self._plans)}, {step.name}"

    def _counted(self) -> str:
        failed = sum(step.has_failed for step in self._done)
        return f"{len(self._done)} steps" + (f", {failed} failed" if failed else "")


def _shown(error: Mapping[str, str] | None) -> str:
    return f"{error['code']}: {error['message']}" if error else "nobody knows why"
