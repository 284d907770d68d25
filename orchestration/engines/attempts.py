"""Attempts of a job that follow each other within one worker, as its log tells them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import TypeVar

from orchestration.execution.drive import HeldRun
from orchestration.services import leases
from orchestration.tools.flows import CallAttempt, CallContext
from taskmapr.core.errors import IllegalMove, LeaseLost, TaskMaprError
from taskmapr.core.events import LogWritten, RunRetrying, RunStarted
from taskmapr.core.run_state import RETRYING
from taskmapr.foundation.aio import in_database

T = TypeVar("T")


class Attempts:
    """Writes down each attempt that fails, and the beginning of the next one.

    `async with Attempts(held) as attempts: await call(ctx=attempts.context)`.
    """

    def __init__(self, held: HeldRun) -> None:
        self._held = held
        self._first = held.attempt
        self._next: asyncio.TimerHandle | None = None

    @property
    def context(self) -> CallContext:
        deadline_at = self._held.claim.deadline_at
        return CallContext(deadline_at=deadline_at, attempt_failed=self._failed)

    async def __aenter__(self) -> Attempts:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._next is not None:
            self._next.cancel()
        self._begin()
        if self._held.attempt != self._first:
            await in_database(
                partial(
                    leases.attempt_count,
                    run_id=self._held.run_id,
                    lease_token=self._held.claim.lease_token,
                    attempt=self._held.attempt,
                )
            )

    def _failed(self, attempt: CallAttempt) -> None:
        error, delay_s = attempt.error, attempt.delay_s
        self._begin()
        if delay_s is None:
            told = f"Attempt {attempt.number} failed: {error.code}: {error.detail}"
            self._append(LogWritten(level="warning", text=told))
            return
        self._held.attempt += 1
        self._append(
            RunRetrying(
                attempt=self._held.attempt,
                reason=error.code,
                delay_s=round(delay_s, 3),
                error=error.detail,
            )
        )
        self._next = asyncio.get_running_loop().call_later(delay_s, self._begin)

    def _begin(self) -> None:
        """The next attempt, if one was announced."""
        if self._held.writer.state.status == RETRYING:
            self._append(RunStarted(attempt=self._held.attempt, worker=self._held.worker_id))

    def _append(self, payload: object) -> None:
        try:
            self._held.writer.append(payload)
        except (IllegalMove, LeaseLost):
            # Somebody else writes this job now, or it is being ended.
            return


async def attempts_made(
    held: HeldRun,
    attempt: Callable[[], Awaitable[T]],
    *,
    delay_s: Callable[[int, TaskMaprError], float | None],
) -> T:
    """What the first attempt gives that succeeds. Raises the error of the last one.

    `delay_s`: is asked how many attempts were made and what the last one raised, and says how many
    seconds pass until the next; None: there is none.
    """
    made = 0
    async with Attempts(held) as attempts:
        while True:
            try:
                return await attempt()
            except TaskMaprError as error:
                made += 1
                pause_s = delay_s(made, error)
                # The end of a call that was made once tells itself.
                if made > 1 or pause_s is not None:
                    failed = CallAttempt(number=made, error=error, delay_s=pause_s)
                    attempts.context.attempt_failed(failed)
                if pause_s is None:
                    raise
            await asyncio.sleep(pause_s)
