"""What a worker process does with runs: slots, leases, bells, and an orderly end.

A job submits its run and returns; from then on the lease in the database owns the run. Lives on the
worker's event loop; `take` is the only method for other threads.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import InterfaceError, OperationalError

from orchestration.dialects.webhook import CALLBACKS
from orchestration.execution.claims import Claims
from orchestration.execution.crowds import Crowd
from orchestration.execution.drive import HeldRun, engine_class, run_drive
from orchestration.execution.heartbeats import Heartbeats, HeldRuns, repeat
from orchestration.execution.loop import LoopThread
from orchestration.execution.places import counted, places_leave
from orchestration.log.lanes import StoreLane
from orchestration.log.store import RunBatch, batches_write
from orchestration.log.writer import LogWriter
from orchestration.services.deliveries import runs_ended
from orchestration.services.leases import Claim
from orchestration.services.run_end import successors_enqueue
from orchestration.services.sequence_steps import is_of_sequence, sequence_steps_settle
from orchestration.standby import holding
from orchestration.standby.records import owner_key
from orchestration.standby.rows import standby_enqueue
from taskmapr.core import jobs, wired
from taskmapr.core.errors import DatabaseUnavailable
from taskmapr.core.ports import WorkerInfo
from taskmapr.core.run_kinds import TASK, run_kinds
from taskmapr.core.task_types import OWN_PROCESS
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.collector import collector_settle
from taskmapr.foundation.database_state import loss_noted
from taskmapr.foundation.telemetry.logs import bind_only

logger = logging.getLogger(__name__)

#: Seconds that a job waits for a free slot before it is put back into the queue.
SLOT_WAIT_S: Final = 2.0
#: Runs that are taken at most with one job of their queue.
CROWD: Final = 32


class RunExecutor:
    """The runs of this process."""

    def __init__(
        self,
        worker_id: str,
        slots: int,
        when_warm: Callable[[], None] = lambda: None,
        *,
        queues: Iterable[str] | None = None,
    ) -> None:
        """when_warm: called once, when everything that runs need is imported. queues: where jobs
        come from, told to those who wait for a worker; None: nobody knows."""
        self._when_warm = when_warm
        self._queues = None if queues is None else tuple(sorted(queues))
        self.worker_id = worker_id
        self._slots = slots
        self._free = threading.Semaphore(slots)
        self._held = HeldRuns()
        self._ended: Crowd[UUID] = Crowd(_tell_ended)
        self._left: Crowd[Claim] = Crowd(places_leave)
        self._of_sequences: Crowd[UUID] = Crowd(_tell_sequences)
        self._tasks: set[asyncio.Task[None]] = set()
        self._chores: list[asyncio.Task[None]] = []
        self._is_draining = False
        self._is_warm = asyncio.Event()
        self._thread = LoopThread("taskmapr-runs")
        self._signals = wired.ports().new_signals()
        self._beats = Heartbeats(worker_id, self._held, self._signals)
        self._log: LogWriter
        self._claims = Claims(worker_id, lambda: self._is_draining)

    # From Celery's threads -------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()
        self._thread.submit(self._begin()).result(timeout=30)
        threading.Thread(target=self._warm_up, name="preload", daemon=True).start()

    def take(self, run_id: UUID, *, stands_by: bool = False) -> bool:
        """Carry this run from now on. False: no slot became free in time, or the worker is
        stopping. `stands_by`: its row lies in Redis."""
        if self._is_draining or not self._free.acquire(timeout=SLOT_WAIT_S):
            return False
        self._thread.loop.call_soon_threadsafe(self._launch, run_id, stands_by)
        return True

    def take_waiting(self, queue: str) -> None:
        """Carry also what waits behind a job of this queue, as far as slots are free.

        Celery's own hand-over costs as much as a short run; behind a crowd it would set the pace.
        """
        free = 0
        while free < CROWD and not self._is_draining and self._free.acquire(blocking=False):
            free += 1
        waiting = wired.ports().queue.take(jobs.RUN_EXECUTE, queue=queue, most=free) if free else []
        for (run_id,) in waiting:
            self._thread.loop.call_soon_threadsafe(self._launch, UUID(run_id), False)
        if unused := free - len(waiting):
            self._free.release(unused)

    def submit(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run something short on the worker's loop, beside the runs."""
        return self._thread.submit(coroutine)

    def stop(self) -> None:
        """Give running runs their time (setting `drain_s`), hand the others back, then stop."""
        self._is_draining = True
        self._thread.submit(self._drain()).result(timeout=settings.TASKMAPR["drain_s"] + 30)
        self._thread.stop()

    def _warm_up(self) -> None:
        """Import engines and the agent SDK, which takes seconds. On the loop it would keep leases
        from being renewed, so runs are claimed only afterwards. A worker for tasks with processes
        of their own needs neither models nor tools, and stays small."""
        try:
            if self._queues and OWN_PROCESS.issuperset(self._queues):
                _engine_import(TASK.name)
            else:
                for kind in run_kinds():
                    _engine_import(kind.name)
                wired.ports().agent_loop()
                wired.ports().tool_servers()
            self._when_warm()
        finally:
            # RuntimeError: the worker was stopped before it was warm, and its loop is closed.
            with suppress(RuntimeError):
                self._thread.loop.call_soon_threadsafe(self._is_warm.set)

    # On the loop -------------------------------------------------------------------------------

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._log = LogWriter(
            wired.ports().new_log(),
            _store,
            standby=StoreLane(_store_standby, self._enqueue_standing_by),
            on_successors=self._enqueue_successors,
            on_fenced=self._held.fence_off,
        )
        self._log.start()
        listen = self._signals.listen(self.worker_id, self._bell_rang)
        self._chores = [
            loop.create_task(listen, name="bell"),
            *(
                loop.create_task(repeat(beat), name=beat.__name__)
                for beat in (self._tell_alive, *self._beats.all())
            ),
        ]
        await self._tell_alive()

    def _launch(self, run_id: UUID, stands_by: bool) -> None:
        carried = self._carry(run_id, stands_by)
        task = asyncio.get_running_loop().create_task(carried, name=f"run-{run_id}")
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, run_id))

    def _done(self, run_id: UUID, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._free.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("run %s: lost by its worker", run_id, exc_info=error)

    async def _carry(self, run_id: UUID, stands_by: bool) -> None:
        await self._is_warm.wait()
        claim = await self._claimed(run_id, stands_by)
        if claim is None:
            logger.debug("run %s is not to be had", run_id)
            return
        if claim.session_id is not None and not stands_by:
            self._beats.session_seen(owner_key(claim.session_id), claim.owner_id)
        bind_only(
            request_id=claim.request_id,
            run_id=run_id,
            session_id=claim.session_id,
            user_id=claim.owner_id,
        )
        held = self._held[run_id] = HeldRun(claim, self._log, self.worker_id)
        try:
            await run_drive(held)
        finally:
            # After a lost lease this worker may hold the run anew by now.
            if self._held.get(run_id) is held:
                del self._held[run_id]
            self._leave(held)

    def _leave(self, held: HeldRun) -> None:
        """Others may have its places, and callbacks of a run that is over are due. A sequence goes
        on when its step is over, and its step does not when it is cancelled while it begins to
        wait."""
        claim = held.claim
        if counted(claim.kind) and (leaving := self._left.add(claim)):
            self._own(leaving)
        is_told = claim.kind in CALLBACKS and held.writer.state.is_final
        if is_told and (telling := self._ended.add(held.run_id)):
            self._own(telling)
        if is_of_sequence(claim) and (moving := self._of_sequences.add(held.run_id)):
            self._own(moving)

    async def _claimed(self, run_id: UUID, stands_by: bool) -> Claim | None:
        if not stands_by:
            return await self._claims.claim(run_id)
        return await in_database(
            holding.standby_lease_claim, run_id=run_id, worker_id=self.worker_id
        )

    def _enqueue_successors(self, run_ids: list[UUID]) -> None:
        self._own(in_database(successors_enqueue, run_ids))

    def _enqueue_standing_by(self, run_ids: list[UUID]) -> None:
        self._own(in_database(standby_enqueue, run_ids))

    def _bell_rang(self, run_id: UUID) -> None:
        if run_id in self._held:
            self._own(self._beats.commands_deliver([run_id]))

    def _own(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a short job beside the runs; kept until done, so that it is not collected."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._chores.append(task)
        task.add_done_callback(self._chore_done)

    def _chore_done(self, task: asyncio.Task[Any]) -> None:
        self._chores.remove(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a worker's chore failed", exc_info=error)

    async def _tell_alive(self) -> None:
        await self._signals.worker_alive(
            WorkerInfo(
                worker_id=self.worker_id,
                running=len(self._held),
                slots=self._slots,
                host=socket.gethostname(),
                pid=os.getpid(),
                queues=self._queues,
            )
        )

    # The end -------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        running = list(self._tasks)
        if running:
            drain_s = settings.TASKMAPR["drain_s"]
            logger.info("stopping: %d runs get %g s", len(running), drain_s)
            await asyncio.wait(running, timeout=drain_s)
        for held in list(self._held.values()):
            held.hand_back()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=10)
        await self._signals.worker_gone(self.worker_id)
        chores = list(self._chores)
        for chore in chores:
            chore.cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._log.stop(), 10)
        await wired.ports().close_tool_servers()
        await wired.ports().close_models()


async def _tell_ended(run_ids: list[UUID]) -> None:
    """Callbacks of runs that are over are due."""
    await in_database(runs_ended, run_ids)


async def _tell_sequences(run_ids: list[UUID]) -> None:
    """Sequences whose step is over go on; steps of those that are over do not."""
    await in_database(sequence_steps_settle, run_ids)


def _engine_import(kind: str) -> None:
    """What is missing is told here, and again by each run that needs it."""
    try:
        engine_class(kind)
    except ImportError:
        logger.exception("runs of kind %s cannot be carried here", kind)


async def _store(batches: Sequence[RunBatch]) -> tuple[set[UUID], list[UUID]]:
    try:
        return await in_database(batches_write, batches)
    except (OperationalError, InterfaceError) as error:
        loss_noted(error)
        raise DatabaseUnavailable from error


async def _store_standby(batches: Sequence[RunBatch]) -> tuple[set[UUID], list[UUID]]:
    return await in_database(holding.standby_batches_write, batches)


_executor: RunExecutor | None = None


def executor_start(queues: Iterable[str]) -> RunExecutor:
    """Make this process a worker for runs. Called once, when Celery has started its worker.

    queues: those that Celery takes jobs from here.
    """
    global _executor  # noqa: PLW0603 - a worker process has one executor
    worker_id = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"
    _executor = RunExecutor(
        worker_id, settings.TASKMAPR["run_slots"], collector_settle, queues=queues
    )
    _executor.start()
    return _executor


def executor() -> RunExecutor:
    if _executor is None:
        raise RuntimeError("this process is no worker")
    return _executor
