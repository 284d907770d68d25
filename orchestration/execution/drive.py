"""Carrying one run from its claim to its end: the outer loop of every engine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, Protocol
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.utils.module_loading import import_string

from orchestration.log.endings import Totals, Verdict, ending_of, error_message, last_events
from orchestration.log.transcript import Transcript
from orchestration.log.writer import LogWriter
from orchestration.models.command import CommandKind
from orchestration.services import leases, pausing
from orchestration.services.leases import Claim
from orchestration.standby import holding
from taskmapr.core.errors import IllegalMove, LeaseLost, TaskMaprError
from taskmapr.core.events import CommandReceived, RunFinished, RunPaused, RunRetrying, RunStarted
from taskmapr.core.ports import StopRun
from taskmapr.core.run_kinds import run_kind
from taskmapr.core.run_state import fold
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.database_state import loss_noted

logger = logging.getLogger(__name__)


class Paused(StopRun):
    """Raised by an engine whose run must wait for a person; the approvals are in the log."""


#: An attempt that follows sooner than this is waited for by the worker that holds the run.
WAITS_HERE_S: Final = 10.0


class RetryLater(Exception):
    """Raised by an engine whose attempt failed when another one may succeed.

    `code` and `message`: of the error. `delay_s`: until the next attempt.
    """

    def __init__(self, *, code: str, message: str, delay_s: float) -> None:
        self.code, self.message, self.delay_s = code, message, delay_s
        super().__init__(message)


class Engine(Protocol):
    """Drives one run of its kinds. Made anew for each attempt."""

    def __init__(self, held: HeldRun) -> None: ...

    async def run(self) -> None:
        """Work until the run is done.

        Appends through `held.writer`. Returns when the run succeeded, raises a TaskMaprError when
        it failed, Paused when it must wait and RetryLater when it should be tried again. Whatever
        was already done in earlier attempts is in `held.transcript`.
        """


class HeldRun:
    """A run while this worker holds it: its log, its totals, and what may interrupt it."""

    def __init__(self, claim: Claim, log: LogWriter, worker_id: str) -> None:
        self.claim = claim
        self.run_id: UUID = claim.run_id
        self.worker_id = worker_id
        self.transcript = Transcript(claim.events)
        self.writer = log.open(
            claim.run_id,
            claim.lease_token,
            fold(claim.events),
            claim.sealer,
            self.transcript,
            stands_by=claim.standby is not None,
        )
        self.inbox: asyncio.Queue[tuple[CommandKind, str, Mapping[str, Any]]] = asyncio.Queue()
        #: Number of the present attempt.
        self.attempt = claim.attempt
        self.model = claim.model
        self.instructions = ""
        self.first_output_ms: int | None = None
        self.warnings: list[str] = []
        self.continues_unread = False
        self.is_ending = False
        self._work: asyncio.Task[None] | None = None
        self._interruption: Verdict | None = None

    @property
    def interruption(self) -> Verdict | None:
        """Why the work is cancelled; None: somebody else holds the run, or is going to."""
        return self._interruption

    # What may interrupt it -----------------------------------------------------------------------

    def command(self, kind: CommandKind, by: str, data: Mapping[str, Any]) -> None:
        """Somebody outside says something. Cancelling is understood here, the rest by the
        engine."""
        if kind == CommandKind.CANCEL:
            self.cancel(str(data.get("reason") or "cancelled_by_user"))
            return
        try:
            self.writer.append(CommandReceived(command=kind.value, by=by, data=dict(data)))
        except (IllegalMove, LeaseLost):
            logger.warning("run %s: %s came too late", self.run_id, kind.value)
            return
        self.inbox.put_nowait((kind, by, data))

    def cancel(self, reason: str) -> None:
        self._interrupt(Verdict(cancel_reason=reason))

    def time_out(self) -> None:
        time_over = run_kind(self.claim.kind).time_over
        self._interrupt(Verdict(error=time_over("The run took longer than it may.")))

    def abandon(self) -> None:
        """Another worker holds the run: stop without a word."""
        if self._work is not None:
            self._work.cancel()

    def hand_back(self) -> None:
        """This worker stops: leave the run to the next one."""
        if not self.is_ending:
            self.abandon()

    def _interrupt(self, verdict: Verdict) -> None:
        if self._interruption is None and not self.is_ending:
            self._interruption = verdict
            if self._work is not None:
                self._work.cancel()

    # Its life ------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Work, and end well or badly. Raises LeaseLost when another worker took the run."""
        self.writer.append(RunStarted(attempt=self.claim.attempt, worker=self.worker_id))
        verdict = await self._verdict()
        if verdict is not None:
            await self._end(verdict)

    async def _verdict(self) -> Verdict | None:
        """How the work ended; None: it did not, the run is paused or left to another worker."""
        loop = asyncio.get_running_loop()
        self._work = loop.create_task(self._run_engine())
        left_s = (self.claim.deadline_at - datetime.now(UTC)).total_seconds()
        alarm = loop.call_later(max(0.0, left_s), self.time_out)
        try:
            await self._work
        except asyncio.CancelledError:
            return await self._interrupted()
        except (Paused, RetryLater) as wait:
            await self._wait(wait)
            return None
        except LeaseLost:
            raise
        except (OperationalError, InterfaceError) as error:
            # The database went away under the engine: what counts is stored when it is back, and
            # the run goes on from there, here or elsewhere.
            loss_noted(error)
            logger.warning("run %s: database away: %s", self.run_id, type(error).__name__)
            await self._hand_over()
            return None
        except TaskMaprError as error:
            told = error_message(error, is_sealed=self.claim.sealer is not None)
            logger.warning("run %s: %s: %s", self.run_id, error.code, told)
            return self._interruption or Verdict(error=error)
        except Exception:
            logger.exception("run %s: unexpected failure", self.run_id)
            return Verdict(error=TaskMaprError("Something unexpected went wrong."))
        finally:
            alarm.cancel()
        return Verdict()

    async def _run_engine(self) -> None:
        # Made in here, so that an engine that cannot even begin ends its run like any failure.
        while True:
            try:
                return await engine_class(self.claim.kind)(self).run()
            except RetryLater as again:
                if again.delay_s > WAITS_HERE_S:
                    raise
                await self._try_again(again)

    async def _try_again(self, again: RetryLater) -> None:
        """The next attempt follows here, when its time has come."""
        self.attempt += 1
        self.writer.append(self._retrying(again))
        await self.writer.checkpoint()
        await in_database(
            leases.attempt_count,
            run_id=self.run_id,
            lease_token=self.claim.lease_token,
            attempt=self.attempt,
        )
        await asyncio.sleep(again.delay_s)
        self.writer.append(RunStarted(attempt=self.attempt, worker=self.worker_id))

    async def _put_off(self, again: RetryLater) -> None:
        """Nobody holds the run until the time of its next attempt."""
        self.is_ending = True
        self.attempt += 1
        self.writer.append(self._retrying(again))
        await self.writer.barrier()
        self.writer.give_up()
        await in_database(
            leases.run_put_off,
            run_id=self.run_id,
            lease_token=self.claim.lease_token,
            last_seq=self.writer.state.seq,
            delay_s=again.delay_s,
        )

    def _retrying(self, again: RetryLater) -> RunRetrying:
        return RunRetrying(
            attempt=self.attempt,
            reason=again.code,
            delay_s=round(again.delay_s, 3),
            error=again.message,
        )

    async def _interrupted(self) -> Verdict | None:
        if self._interruption is not None:
            return self._interruption
        if self.writer.is_fenced:
            raise LeaseLost
        # The worker is stopping: the next one goes on.
        await self._hand_over()
        return None

    async def _hand_over(self) -> None:
        """Store what was said so far, and leave the run to recovery."""
        await self.writer.barrier()
        self.writer.give_up()
        give_back = (
            leases.lease_hand_back if self.claim.standby is None else holding.standby_hand_back
        )
        await in_database(give_back, run_id=self.run_id, lease_token=self.claim.lease_token)

    async def _wait(self, wait: Paused | RetryLater) -> None:
        """Leave the run until a person has answered, or its time has come."""
        if isinstance(wait, RetryLater):
            await self._put_off(wait)
        else:
            await self._pause()

    async def _pause(self) -> None:
        waiting_for = sorted(self.writer.state.open_approvals)
        self.is_ending = True
        self.writer.append(RunPaused(approval_ids=waiting_for))
        await self.writer.barrier()
        self.writer.give_up()
        await in_database(
            pausing.run_pause,
            run_id=self.run_id,
            lease_token=self.claim.lease_token,
            last_seq=self.writer.state.seq,
        )

    async def _end(self, verdict: Verdict) -> None:
        self.is_ending = True
        totals = Totals(
            model=self.model,
            started_at=self.claim.created_at,
            cost_usd_micros=self.transcript.cost_usd_micros,
            first_output_ms=self.first_output_ms,
            warnings=tuple(self.warnings),
        )
        events = last_events(self.writer.state, verdict, totals)
        finished = events[-1]
        assert isinstance(finished, RunFinished)  # noqa: S101 - last_events says so
        ending = ending_of(
            finished,
            verdict=verdict,
            totals=totals,
            transcript=self.transcript,
            session_id=self.claim.session_id,
            sealer=self.claim.sealer,
            instructions=self.instructions,
        )
        await self.writer.close(events, ending)


@cache
def engine_class(kind: str) -> type[Engine]:
    """The engine of a kind of run, imported on first use: web processes never need one."""
    engine: type[Engine] = import_string(run_kind(kind).engine.replace(":", "."))
    return engine


async def run_drive(held: HeldRun) -> None:
    """Carry a claimed run to its end, a pause, or into other hands."""
    try:
        await held.live()
    except LeaseLost:
        logger.warning("run %s: lease lost, writing stopped", held.run_id)
    finally:
        held.writer.give_up()
