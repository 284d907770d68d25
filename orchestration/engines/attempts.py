"""Attempts of a job that follow each other within one worker, as its log tells them."""

from __future__ import annotations

import asyncio
from functools import partial
from types import TracebackType

from orchestration.execution.drive import HeldRun
from orchestration.services import leases
from orchestration.tools.flows import CallAttempt, CallContext
from taskmapr.core.errors import IllegalMove, LeaseLost
from taskmapr.core.events import LogWritten, RunRetrying, RunStarted
from taskmapr.core.run_state import RETRYING
from taskmapr.foundation.aio import in_database


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
