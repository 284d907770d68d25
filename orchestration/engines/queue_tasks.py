"""Runs of kind `task`: one named function, executed with limits and tried again where that helps.

The run's input: {params, settings: {timeout_s, max_retries, definition, intents}}; what `settings`
leaves out is as the type says. `intents`: patterns of the tools that its credential is for. The
run's own time and attempts (its columns) bound everything together.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from orchestration.dialects.task_log import LOG_FILE, MEDIA_TYPE, lines_of, log_bytes
from orchestration.engines.figures import task_measured
from orchestration.engines.prompts_of_jobs import PromptOfJob
from orchestration.engines.steps_of_tasks import StepsOfTask
from orchestration.execution.drive import HeldRun, RetryLater
from orchestration.execution.task_desk import TaskDesk
from orchestration.execution.task_order import TaskOrder
from orchestration.execution.task_outcome import Outcome, outcome_raised, outcome_returned
from orchestration.execution.task_questions import asked
from orchestration.execution.task_runners import Runner, runner_for
from orchestration.execution.task_voice import TaskFacts, Why
from orchestration.log.crashes import stack_fitted
from orchestration.log.store import events_all
from orchestration.selectors.task_types import task_type_at_hand, task_type_of_run
from orchestration.services.artifacts import Role, is_inline, result_fitted
from taskmapr.core.errors import (
    LeaseLost,
    TaskFailed,
    TaskMaprError,
    TimeLimit,
    Unavailable,
    WorkerLost,
)
from taskmapr.core.events import ArtifactStored, LogWritten, ResultGiven
from taskmapr.core.task_types import ModelPrompt, TaskType
from taskmapr.foundation.aio import in_database

#: Seconds that a function has, after it was told to stop, before it is ended.
GRACE_S: Final[Mapping[Why, float]] = {"time_limit": 10.0, "cancelled": 15.0}
#: The same when its worker stops: less than workers are given for that.
GRACE_AT_SHUTDOWN_S: Final = 6.0
BACKOFF_FIRST_S: Final = 2.0
BACKOFF_MAX_S: Final = 300.0
#: Longest wait that a task may ask for by itself.
ASKED_WAIT_MAX_S: Final = 3600.0


class TaskEngine:
    """One attempt."""

    def __init__(self, held: HeldRun) -> None:
        self._held = held
        self._settings: Mapping[str, Any] = held.claim.input.get("settings") or {}
        self._desk = TaskDesk(held)
        self._type: TaskType
        self._stopped_why: Why | None = None

    async def run(self) -> None:
        held = self._held
        given = (held.claim.subject, held.claim.input)
        at_hand = task_type_at_hand(*given)
        if at_hand is None:
            at_hand = await in_database(task_type_of_run, *given)
        self._type = at_hand
        if self._may_not_repeat:
            # An earlier attempt was lost in the middle of it.
            raise WorkerLost("Its worker was lost after it had begun to change something.")
        was_resumed = any(event.kind == "run.resumed" for event in held.claim.events)
        with task_measured(held, self._type.name, goes_on=bool(self._type.steps) and was_resumed):
            await self._lived()

    async def _lived(self) -> None:
        self._desk.open()
        try:
            await self._conclude(await self._outcome())
        finally:
            await self._desk.close()

    # Executing -----------------------------------------------------------------------------------

    async def _outcome(self) -> Outcome:
        if self._type.steps:
            return await self._sequenced()
        prompt_of = self._type.prompt
        return await (self._prompted(prompt_of) if prompt_of else self._executed())

    async def _executed(self) -> Outcome:
        limit_s = self._limit_s
        runner = runner_for(self._order(limit_s), self._type, self._desk)
        try:
            done = await runner.start()
        except asyncio.CancelledError:
            await self._called_off(runner)
            raise
        try:
            async with asyncio.timeout(limit_s):
                return await asyncio.shield(done)
        except TimeoutError:
            return await self._stop(runner, done, "time_limit", GRACE_S["time_limit"])
        except asyncio.CancelledError:
            outcome = await self._interrupted(runner, done)
            if outcome is None:
                raise
            return outcome

    async def _prompted(self, prompt_of: Callable[[Mapping[str, Any]], ModelPrompt]) -> Outcome:
        """The same for a type that asks a model. Raises Paused when a tool needs a person."""
        held = self._held
        prompt = prompt_of(held.claim.input.get("params") or {})
        conversation = PromptOfJob(held, prompt, self._settings.get("intents"))
        try:
            async with asyncio.timeout(self._limit_s) as clock:
                return outcome_returned(await conversation.result())
        except TimeoutError:
            if not clock.expired():
                raise
            self._stopped_why = "time_limit"
            return Outcome(kind="stopped")
        except LeaseLost:
            raise
        except TaskMaprError as error:
            return outcome_raised(error, self._type.retry_on)

    async def _sequenced(self) -> Outcome:
        """The same for a type whose steps are tasks. Raises Paused while one of them goes on."""
        steps = StepsOfTask(self._held, self._type.steps, self._desk, limit_s=self._limit_s)
        try:
            return outcome_returned(await steps.result())
        except LeaseLost:
            raise
        except TimeLimit:
            self._stopped_why = "time_limit"
            return Outcome(kind="stopped")
        except TaskMaprError as error:
            return outcome_raised(error, self._type.retry_on)

    @property
    def _limit_s(self) -> float:
        return float(self._settings.get("timeout_s") or self._type.timeout_s)

    async def _called_off(self, runner: Runner) -> None:
        """The same before the function has begun: it does not begin any more."""
        self._desk.why = self._stopped_why = "cancelled"
        runner.stop()
        await runner.kill()
        if self._held.interruption is not None:
            await self._keep_log()

    async def _interrupted(self, runner: Runner, done: asyncio.Future[Outcome]) -> Outcome | None:
        """The run is cancelled, out of time in all, or goes into other hands.

        The outcome: its worker stops, but the function was done in time.
        """
        verdict = self._held.interruption
        if verdict is None:
            grace_s = 0.0 if self._held.writer.is_fenced else GRACE_AT_SHUTDOWN_S
            outcome = await self._stop(runner, done, "cancelled", grace_s)
            is_done = outcome.kind == "returned" and not self._held.writer.is_fenced
            return outcome if is_done else None
        why: Why = "time_limit" if verdict.error is not None else "cancelled"
        outcome = await self._stop(runner, done, why, GRACE_S[why])
        await self._keep_result(outcome)
        self._tell_result(outcome)
        await self._keep_log()
        return None

    async def _stop(
        self, runner: Runner, done: asyncio.Future[Outcome], why: Why, grace_s: float
    ) -> Outcome:
        """Ask the function to end, and end it when it has not after `grace_s` seconds."""
        self._desk.why = self._stopped_why = why
        runner.stop()
        try:
            async with asyncio.timeout(grace_s):
                return await asyncio.shield(done)
        except (TimeoutError, asyncio.CancelledError):
            if not await runner.kill():
                self._desk.hear(("log", ("warning", "It did not stop and was left alone.")))
            return Outcome(kind="lost", message="It did not stop in time and was ended.")
        finally:
            await self._desk.settle()

    def _order(self, limit_s: float) -> TaskOrder:
        claim = self._held.claim
        return TaskOrder(
            type_name=claim.subject,
            given=claim.input,
            facts=TaskFacts(
                task_id=str(claim.run_id),
                user_id=str(claim.owner_id),
                attempt=self._held.attempt,
                deadline=min(datetime.now(UTC) + timedelta(seconds=limit_s), claim.deadline_at),
                has_asked=any(event.kind == "approval.requested" for event in claim.events),
                intents=None if (named := self._settings.get("intents")) is None else tuple(named),
            ),
        )

    # Ending --------------------------------------------------------------------------------------

    async def _conclude(self, outcome: Outcome) -> None:
        """Returns when the task is done; raises what the run ends or waits with."""
        await self._desk.settle()
        if outcome.kind == "waits" and self._stopped_why is None and self._desk.question:
            raise await asked(self._held, self._desk.question)
        if outcome.stack:
            stack = stack_fitted(self._desk.masked(outcome.stack)).encode()
            name = f"exception-{self._held.attempt}.txt"
            await self._keep(name, stack, is_private=True)
        error = await self._keep_result(outcome) or self._error(outcome)
        if isinstance(error, RetryLater):
            raise error
        self._tell_result(outcome)
        await self._keep_log()
        if error is not None:
            raise error

    def _tell_result(self, outcome: Outcome) -> None:
        """To the type, which may count: figures of a task's own process would go with it."""
        result = outcome.value if outcome.kind == "returned" else self._desk.result
        if self._type.on_result is not None and result is not None:
            self._type.on_result(result)

    def _error(self, outcome: Outcome) -> TaskMaprError | RetryLater | None:
        message = self._desk.masked(outcome.message)
        if self._stopped_why == "time_limit":
            return TimeLimit("The task took longer than it may.")
        if outcome.kind == "returned":
            return None
        if outcome.kind in {"retryable", "lost"}:
            return self._again(outcome, message)
        code = outcome.code if outcome.kind == "permanent" else "unhandled_exception"
        return TaskFailed(code, message)

    def _again(self, outcome: Outcome, message: str) -> TaskMaprError | RetryLater:
        """The next attempt, or why there is none."""
        if not self._may_not_repeat and self._held.attempt < self._most_attempts:
            code = outcome.code or ("worker_lost" if outcome.kind == "lost" else "retryable")
            return RetryLater(code=code, message=message, delay_s=self._delay_s(outcome.after_s))
        if outcome.kind == "lost":
            return WorkerLost(message)
        return TaskFailed("retries_exhausted", message)

    @property
    def _may_not_repeat(self) -> bool:
        return self._held.writer.state.has_effect and not self._type.is_idempotent

    @property
    def _most_attempts(self) -> int:
        retries = self._settings.get("max_retries")
        own = self._type.max_retries if retries is None else int(retries)
        return self._held.claim.max_attempts or own + 1

    def _delay_s(self, after_s: float | None) -> float:
        delay_s = backoff_s(self._held.run_id, self._held.attempt)
        return max(delay_s, min(after_s or 0.0, ASKED_WAIT_MAX_S))

    async def _keep_result(self, outcome: Outcome) -> TaskFailed | None:
        """Returns why it could not be kept."""
        if outcome.kind != "returned":
            return None
        value = outcome.value
        if not is_inline(value):
            try:
                value, file = await in_database(
                    result_fitted, run_id=self._held.run_id, value=outcome.value
                )
            except (Unavailable, OSError) as error:
                said = error.detail if isinstance(error, Unavailable) else type(error).__name__
                return TaskFailed("result_not_kept", f"It is too large for the log. {said}")
            if file is not None:
                self._held.writer.append(file)
        self._held.writer.append(ResultGiven(value=value))
        return None

    async def _keep_log(self) -> None:
        """Tell of the file that holds all lines; it is made of the log when somebody wants it."""
        lines = self._desk.lines
        if self._held.attempt > 1:
            await self._held.writer.barrier()
            lines = lines_of(await in_database(events_all, self._held.run_id))
        if not lines:
            return
        data = log_bytes(lines)
        self._held.writer.append(
            ArtifactStored(
                artifact_id=LOG_FILE,
                name=LOG_FILE,
                media_type=MEDIA_TYPE,
                size_bytes=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
            )
        )

    async def _keep(self, name: str, data: bytes, *, is_private: bool = False) -> None:
        """A file beside the result: the task does not fail for want of it."""
        role: Role = "private" if is_private else "download"
        try:
            await self._desk.keep(name, data, "text/plain", role)
        except TaskFailed as error:
            self._held.writer.append(LogWritten(level="warning", text=error.detail))


def backoff_s(run_id: UUID, attempt: int) -> float:
    """Seconds to wait after this attempt: a share of 2 s, 4 s, 8 s and so on, at most of 300 s.

    The share is chance between runs and one for a run: tasks that failed together are not tried
    together again, and each waits longer from time to time.
    """
    digest = hashlib.sha256(run_id.bytes).digest()
    share = max(0.02, int.from_bytes(digest[:4], "big") / 2**32)
    return share * min(BACKOFF_FIRST_S * 2.0 ** (attempt - 1), BACKOFF_MAX_S)
