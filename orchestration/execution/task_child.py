"""What runs in a task's own process: one function, and a thread that listens to the worker.

The process leads a session of its own, so that everything the function started (drivers, browsers)
can be found and ended with it. It ends itself and them as soon as its worker is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from orchestration.execution.sessions import session_end
from orchestration.execution.task_order import TaskOrder, performed, performed_sync
from orchestration.execution.task_outcome import Outcome, outcome_raised
from orchestration.execution.task_voice import Answer, Said, TaskVoice, Why
from orchestration.selectors.task_types import task_type_of_run
from taskmapr.core.task_types import TaskType
from taskmapr.foundation.telemetry.logs import bind_only


def child_main(connection: Connection, order: TaskOrder) -> None:
    """Execute the order, tell its outcome, and end."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    bind_only(run_id=order.facts.task_id, user_id=order.facts.user_id)
    line = _Line(connection)
    threading.Thread(target=line.listen, name="worker", daemon=True).start()
    line.send("outcome", _outcome(order, line))
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that the function forgot would keep the process alive.
    os._exit(0)


class _Line:
    """The child's end of the pipe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._asking = threading.Lock()
        self._answered = threading.Event()
        self._answer: Answer
        self.why: Why | None = None
        self.on_stop: Callable[[], Any] = lambda: None

    def tell(self, said: Said) -> None:
        self.send("tell", said)

    def send(self, word: str, content: Any) -> None:
        with self._sending:
            self._connection.send((word, content))

    def ask(self, said: Said) -> Answer:
        with self._asking:
            self._answered.clear()
            self.send("ask", said)
            self._answered.wait()
            return self._answer

    def listen(self) -> None:
        """In a thread of its own, until the worker is gone."""
        while True:
            try:
                word, content = self._connection.recv()
            except (EOFError, OSError):
                session_end(os.getpid())
                return
            if word == "answer":
                self._answer = content
                self._answered.set()
            else:
                self.why = content
                self.on_stop()


def _outcome(order: TaskOrder, line: _Line) -> Outcome:
    voice = TaskVoice(order.facts, tell=line.tell, ask=line.ask, why=lambda: line.why)
    try:
        task_type = task_type_of_run(order.type_name, order.given)
    except Exception as error:
        return outcome_raised(error, ())
    if task_type.is_async:
        return asyncio.run(_on_loop(order, task_type, voice, line))
    return performed_sync(order, task_type, voice)


async def _on_loop(order: TaskOrder, task_type: TaskType, voice: TaskVoice, line: _Line) -> Outcome:
    work = asyncio.ensure_future(performed(order, task_type, voice))
    loop = asyncio.get_running_loop()
    line.on_stop = lambda: loop.call_soon_threadsafe(work.cancel)
    return await work
