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
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import InterfaceError, OperationalError

from orchestration.execution.drive import HeldRun, engine_class, run_drive
from orchestration.execution.loop import LoopThread
from orchestration.log.store import RunBatch, batches_write
from orchestration.log.writer import LogWriter
from orchestration.models.command import CommandKind
from orchestration.services import leases
from orchestration.services.run_end import successors_enqueue
from taskmapr.core import wired
from taskmapr.core.errors import DatabaseUnavailable, QueueUnavailable
from taskmapr.core.ports import WorkerInfo
from taskmapr.core.run_kinds import run_kind, run_kinds
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.collector import collector_settle
from taskmapr.foundation.telemetry.logs import bind_only

logger = logging.getLogger(__name__)

#: Seconds that a job waits for a free slot before it is put back into the queue.
SLOT_WAIT_S: Final = 2.0


class RunExecutor:
    """The runs of this process."""

    def __init__(
        self, worker_id: str, slots: int, when_warm: Callable[[], None] = lambda: None
    ) -> None:
        """when_warm: called once, when everything that runs need is imported."""
        self._when_warm = when_warm
        self.worker_id = worker_id
        self._slots = slots
        self._free = threading.Semaphore(slots)
        self._held: dict[UUID, HeldRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unread_since: dict[UUID, float] = {}
        self._chores: list[asyncio.Task[None]] = []
        self._is_draining = False
        self._is_warm = asyncio.Event()
        self._thread = LoopThread("taskmapr-runs")
        self._signals = wired.ports().new_signals()
        self._log: LogWriter

    # From Celery's threads -------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()
        self._thread.submit(self._begin()).result(timeout=30)
        threading.Thread(target=self._warm_up, name="preload", daemon=True).start()

    def take(self, run_id: UUID) -> bool:
        """Carry this run from now on. False: no slot became free in time, or the worker is
        stopping."""
        if self._is_draining or not self._free.acquire(timeout=SLOT_WAIT_S):
            return False
        self._thread.loop.call_soon_threadsafe(self._launch, run_id)
        return True

    def stop(self) -> None:
        """Give running runs their time (setting `drain_s`), hand the others back, then stop."""
        self._is_draining = True
        self._thread.submit(self._drain()).result(timeout=settings.TASKMAPR["drain_s"] + 30)
        self._thread.stop()

    def _warm_up(self) -> None:
        """Import engines and the agent SDK, which takes seconds. On the loop it would keep leases
        from being renewed, so runs are claimed only afterwards."""
        try:
            for kind in run_kinds():
                engine_class(kind.name)
            wired.ports().agent_loop()
            self._when_warm()
        finally:
            # If something is missing, each run says so for itself.
            self._thread.loop.call_soon_threadsafe(self._is_warm.set)

    # On the loop -------------------------------------------------------------------------------

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._log = LogWriter(
            wired.ports().new_log(),
            _store,
            on_successors=self._enqueue_successors,
            on_fenced=self._fenced,
        )
        self._log.start()
        listen = self._signals.listen(self.worker_id, self._bell_rang)
        beats = (
            self._renew_leases,
            self._look_for_commands,
            self._tell_alive,
            self._cancel_unread,
        )
        self._chores = [
            loop.create_task(listen, name="bell"),
            *(loop.create_task(self._repeat(beat), name=beat.__name__) for beat in beats),
        ]
        await self._tell_alive()

    def _launch(self, run_id: UUID) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(run_id), name=f"run-{run_id}")
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, run_id))

    def _done(self, run_id: UUID, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._free.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("run %s: lost by its worker", run_id, exc_info=error)

    async def _carry(self, run_id: UUID) -> None:
        await self._is_warm.wait()
        claim = await in_database(leases.lease_claim, run_id=run_id, worker_id=self.worker_id)
        if claim is None:
            logger.debug("run %s is not to be had", run_id)
            return
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
                self._unread_since.pop(run_id, None)

    def _fenced(self, run_id: UUID) -> None:
        logger.warning("run %s: another worker holds it now", run_id)
        if run_id in self._held:
            self._held[run_id].abandon()

    def _enqueue_successors(self, run_ids: list[UUID]) -> None:
        self._own(in_database(successors_enqueue, run_ids))

    def _bell_rang(self, run_id: UUID) -> None:
        if run_id in self._held:
            self._own(self._deliver_commands([run_id]))

    def _own(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a short job beside the runs; kept until done, so that it is not collected."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._chores.append(task)
        task.add_done_callback(self._chore_done)

    def _chore_done(self, task: asyncio.Task[Any]) -> None:
        self._chores.remove(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a worker's chore failed", exc_info=error)

    # Every few seconds ---------------------------------------------------------------------------

    async def _repeat(self, beat: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Each on its own: a Redis that hangs must not keep leases from being renewed."""
        while True:
            await asyncio.sleep(settings.TASKMAPR["sign_every_s"])
            try:
                await beat()
            except Exception:
                logger.exception("heartbeat failed")

    async def _tell_alive(self) -> None:
        await self._signals.worker_alive(
            WorkerInfo(
                worker_id=self.worker_id,
                running=len(self._held),
                slots=self._slots,
                host=socket.gethostname(),
                pid=os.getpid(),
            )
        )

    async def _renew_leases(self) -> None:
        held = list(self._held.values())
        if not held:
            return
        ours = await in_database(
            leases.leases_renew, worker_id=self.worker_id, run_ids=[h.run_id for h in held]
        )
        for run in held:
            if run.run_id not in ours and self._held.get(run.run_id) is run and not run.is_ending:
                self._fenced(run.run_id)

    async def _look_for_commands(self) -> None:
        if self._held:
            await self._deliver_commands(list(self._held))

    async def _deliver_commands(self, run_ids: list[UUID]) -> None:
        for command in await in_database(leases.commands_take, run_ids):
            held = self._held.get(command.run_id)
            if held is not None:
                data = command.data
                if held.claim.sealer is not None and "sealed" in data:
                    data = held.claim.sealer.open(data["sealed"])
                held.command(CommandKind(command.kind), command.by, data)

    async def _cancel_unread(self) -> None:
        watched = {
            run_id: held
            for run_id, held in self._held.items()
            if run_kind(held.claim.kind).needs_reader and not held.continues_unread
        }
        try:
            unread = await self._signals.unread(watched)
        except QueueUnavailable:
            # Nobody can say who reads: assume that somebody does.
            self._unread_since.clear()
            return
        now = asyncio.get_running_loop().time()
        for run_id in watched.keys() - unread:
            self._unread_since.pop(run_id, None)
        grace_s = settings.TASKMAPR["disconnect_grace_s"]
        for run_id in unread:
            since = self._unread_since.setdefault(run_id, now)
            if now - since >= grace_s:
                watched[run_id].cancel("client_disconnected")

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
        await wired.ports().close_models()


async def _store(batches: Sequence[RunBatch]) -> tuple[set[UUID], list[UUID]]:
    try:
        return await in_database(batches_write, batches)
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable from error


_executor: RunExecutor | None = None


def executor_start() -> RunExecutor:
    """Make this process a worker for runs. Called once, when Celery has started its worker."""
    global _executor  # noqa: PLW0603 - a worker process has one executor
    worker_id = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"
    _executor = RunExecutor(worker_id, settings.TASKMAPR["run_slots"], collector_settle)
    _executor.start()
    return _executor


def executor() -> RunExecutor:
    if _executor is None:
        raise RuntimeError("this process is no worker")
    return _executor
