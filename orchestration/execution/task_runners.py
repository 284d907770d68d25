"""Task functions that share this process: on its loop, and in threads of it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any, Final, Protocol

from django.db import connections

from orchestration.execution.task_desk import TaskDesk
from orchestration.execution.task_order import TaskOrder, performed, performed_sync
from orchestration.execution.task_outcome import Outcome
from orchestration.execution.task_process import InProcess
from orchestration.execution.task_voice import TaskVoice
from taskmapr.core.task_types import OWN_PROCESS, TaskType

#: Sync functions that run at once in one worker process; others wait.
THREADS: Final = 32
_free_threads = threading.Semaphore(THREADS)


class Runner(Protocol):
    """One execution of a task function."""

    async def start(self) -> asyncio.Future[Outcome]:
        """Returns when the function has begun; the future never raises."""

    def stop(self) -> None:
        """The desk says why: ask the function to end soon."""

    async def kill(self) -> bool:
        """End it now. False: it goes on, unheard."""


def runner_for(order: TaskOrder, task_type: TaskType, desk: TaskDesk) -> Runner:
    if task_type.queue in OWN_PROCESS:
        return InProcess(order, desk)
    if task_type.is_async:
        return OnLoop(order, task_type, desk)
    return InThread(order, task_type, desk)


class OnLoop:
    """For async functions. To stop one is to cancel it."""

    def __init__(self, order: TaskOrder, task_type: TaskType, desk: TaskDesk) -> None:
        self._order, self._type, self._desk = order, task_type, desk
        self._task: asyncio.Task[Outcome]

    async def start(self) -> asyncio.Future[Outcome]:
        self._task = asyncio.get_running_loop().create_task(
            self._perform(), name=f"task-{self._order.facts.task_id}"
        )
        return self._task

    def stop(self) -> None:
        self._task.cancel()

    async def kill(self) -> bool:
        self._task.cancel()
        return self._task.done()

    async def _perform(self) -> Outcome:
        return await performed(self._order, self._type, voice_of(self._order, self._desk))


class InThread:
    """For sync functions. One that does not stop by itself cannot be ended: it is left alone, and
    keeps its place until it returns."""

    def __init__(self, order: TaskOrder, task_type: TaskType, desk: TaskDesk) -> None:
        self._order, self._type, self._desk = order, task_type, desk
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.create_future()
        self._done: asyncio.Future[Outcome] = self._loop.create_future()

    async def start(self) -> asyncio.Future[Outcome]:
        context = contextvars.copy_context()
        # Daemons, because an abandoned one must not keep the worker from ending.
        threading.Thread(
            target=context.run,
            args=(self._perform,),
            name=f"task-{self._order.facts.task_id}",
            daemon=True,
        ).start()
        await self._begun
        return self._done

    def stop(self) -> None:
        """The function learns it by `check_cancelled`."""

    async def kill(self) -> bool:
        return self._done.done()

    def _perform(self) -> None:
        with _free_threads:
            self._loop.call_soon_threadsafe(_resolve, self._begun, None)
            if self._desk.why is None:
                outcome = performed_sync(self._order, self._type, voice_of(self._order, self._desk))
            else:
                outcome = Outcome(kind="stopped")
            connections.close_all()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_resolve, self._done, outcome)


def voice_of(order: TaskOrder, desk: TaskDesk) -> TaskVoice:
    return TaskVoice(order.facts, tell=desk.tell, ask=desk.ask, why=lambda: desk.why)


def _resolve(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)
