"""Task functions in a process of their own: they may use a whole processor, start browsers, hang
or crash, and are ended for certain.

Processes are forked from a server that has imported everything and opened nothing; it ends with
this worker. What a function says comes through a pipe, so the worker stays the only writer of the
run's log.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import threading
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Final

from orchestration.execution.sessions import session_end
from orchestration.execution.task_child import child_main
from orchestration.execution.task_desk import TaskDesk
from orchestration.execution.task_order import TaskOrder
from orchestration.execution.task_outcome import Outcome

logger = logging.getLogger(__name__)

#: Seconds that a process has to end after it has told its outcome.
_GOODBYE_S: Final = 5.0
_LOST: Final = Outcome(kind="lost", message="The process of the task ended unexpectedly.")
_forks: Final = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["orchestration.execution.task_preload"])


class InProcess:
    """One execution. A thread of the worker attends to the process."""

    def __init__(self, order: TaskOrder, desk: TaskDesk) -> None:
        self._order, self._desk = order, desk
        self._loop = asyncio.get_running_loop()
        self._begun: asyncio.Future[None] = self._loop.create_future()
        self._done: asyncio.Future[Outcome] = self._loop.create_future()
        self._sending = threading.Lock()
        self._pipe: Connection | None = None
        self._process: BaseProcess | None = None

    async def start(self) -> asyncio.Future[Outcome]:
        threading.Thread(
            target=self._attend, name=f"task-{self._order.facts.task_id}", daemon=True
        ).start()
        await self._begun
        return self._done

    def stop(self) -> None:
        self._send("stop", self._desk.why)

    async def kill(self) -> bool:
        if self._process is not None and self._process.pid is not None:
            # Itself first: it may not have its session yet.
            self._process.kill()
            await asyncio.to_thread(session_end, self._process.pid)
            await asyncio.wait([self._done], timeout=_GOODBYE_S)
        return self._done.done()

    # In the attending thread ---------------------------------------------------------------------

    def _attend(self) -> None:
        try:
            outcome = self._lived()
        except Exception:
            logger.exception("task %s: its process failed", self._order.facts.task_id)
            outcome = _LOST
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._resolve, outcome)

    def _lived(self) -> Outcome:
        """From the first breath of the process to its last."""
        if self._desk.why is not None:
            return Outcome(kind="stopped")
        self._pipe, theirs = _forks.Pipe()
        process = _forks.Process(target=child_main, args=(theirs, self._order), daemon=True)
        process.start()
        theirs.close()
        self._process = process
        if self._desk.why is not None:
            # Called off meanwhile by somebody who did not know of it yet.
            process.kill()
        self._loop.call_soon_threadsafe(self._resolve, None)
        try:
            outcome = self._listen(self._pipe)
            process.join(_GOODBYE_S)
        finally:
            # Also when it ended by itself: what it started must not outlive it.
            if process.pid is not None:
                session_end(process.pid)
            self._pipe.close()
        return outcome

    def _listen(self, pipe: Connection) -> Outcome:
        while True:
            try:
                word, content = pipe.recv()
            except (EOFError, OSError):
                return _LOST
            if word == "tell":
                self._desk.tell(content)
            elif word == "ask":
                self._send("answer", self._desk.ask(content))
            else:
                outcome: Outcome = content
                return outcome

    def _send(self, word: str, content: Any) -> None:
        try:
            with self._sending:
                if self._pipe is not None:
                    self._pipe.send((word, content))
        except OSError:
            logger.debug("task %s: its process is gone", self._order.facts.task_id)

    def _resolve(self, outcome: Outcome | None) -> None:
        """On the loop. None: the process has begun."""
        if not self._begun.done():
            self._begun.set_result(None)
        if outcome is not None and not self._done.done():
            self._done.set_result(outcome)
