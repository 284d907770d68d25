"""Where a task function's words arrive: one after another into the log of its run."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from django.db import InterfaceError, OperationalError

from agents_cfg.services.secrets import secret_read
from orchestration.dialects.task_log import line_of
from orchestration.execution.drive import HeldRun
from orchestration.execution.task_questions import WAITING, Question, answers_in
from orchestration.execution.task_voice import Answer, Said, Why
from orchestration.page.text import storable
from orchestration.services.artifacts import Role, artifact_store
from taskmapr.core.errors import (
    IllegalMove,
    LeaseLost,
    NotConfigured,
    TaskFailed,
    TaskMaprError,
)
from taskmapr.core.events import EffectBegun, LogWritten, ProgressMade, ResultGiven
from taskmapr.core.task_types import LogLevel, ScreenshotKind
from taskmapr.foundation.aio import in_database

logger = logging.getLogger(__name__)

LINE_LENGTH: Final = 4000
#: Lines of one execution; what follows is not kept.
LINES_MOST: Final = 20_000
#: Words that may wait here; functions in other threads are held up beyond.
WAITING_MOST: Final = 1000
#: From so many waiting words on, a progress that another one follows is not told.
BEHIND: Final = 100
MASK: Final = "[redacted]"
STOPPED: Final[Answer] = (False, ("stopped", ""))

Reply = Callable[[Answer], None]


class TaskDesk:
    """Of one execution. Lives on the worker's loop; `tell` and `ask` may be called anywhere."""

    def __init__(self, held: HeldRun) -> None:
        self._held = held
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[tuple[Said, Reply | None]] = asyncio.Queue()
        self._room = threading.Semaphore(WAITING_MOST)
        self._secrets: set[str] = set()
        self._server: asyncio.Task[None] | None = None
        self._is_closed = False
        #: Why the function should stop, as soon as it should.
        self.why: Why | None = None
        #: Lines of `task.log`.
        self.lines: list[str] = []
        #: What the function came to so far, if it says so.
        self.result: Any = None
        #: What the function waits to be told.
        self.question: Question | None = None
        self._answers = answers_in(held.claim.events)
        self._fraction = 0.0

    # What functions call -------------------------------------------------------------------------

    def tell(self, said: Said) -> None:
        """From a thread: waits while too much is waiting. From the loop: never waits."""
        if threading.get_ident() == self._loop_thread:
            self.hear(said)
            return
        self._room.acquire()
        self._loop.call_soon_threadsafe(self.hear, said, self._told)

    def ask(self, said: Said) -> Answer:
        """Waits for the answer. Not from the loop's own thread, which has to give it."""
        if threading.get_ident() == self._loop_thread:
            raise RuntimeError(f"{said[0]} blocks: call it by asyncio.to_thread")
        answered = threading.Event()
        given: list[Answer] = []

        def reply(answer: Answer) -> None:
            given.append(answer)
            answered.set()

        self._loop.call_soon_threadsafe(self.hear, said, reply)
        answered.wait()
        return given[0]

    def _told(self, answer: Answer) -> None:
        self._room.release()
        self.warn(answer)

    def warn(self, answer: Answer) -> None:
        """On the loop: what could not be done for a function that does not wait for it."""
        if not answer[0] and answer != STOPPED:
            self.hear(("log", ("warning", answer[1][1])))

    def hear(self, said: Said, reply: Reply | None = None) -> None:
        """On the loop: take a word; `reply` is called there when it is done."""
        if self._is_closed:
            if reply is not None:
                reply(STOPPED)
        else:
            self._waiting.put_nowait((said, reply))

    # What the engine calls -----------------------------------------------------------------------

    def open(self) -> None:
        self._loop_thread = threading.get_ident()
        self._server = self._loop.create_task(self._serve(), name=f"desk-{self._held.run_id}")

    async def settle(self) -> None:
        """Everything that was said so far is in the log."""
        await self._waiting.join()

    async def close(self) -> None:
        """Nothing more is taken; who still asks is told to stop."""
        self._is_closed = True
        if self._server is not None:
            self._server.cancel()
            await asyncio.wait([self._server])
        while not self._waiting.empty():
            _, reply = self._waiting.get_nowait()
            if reply is not None:
                reply(STOPPED)

    def masked(self, text: str) -> str:
        """Without the secrets that this execution was given."""
        # One may be a part of another.
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text

    async def keep(
        self, name: str, data: bytes | Path, media_type: str, role: Role, label: str | None = None
    ) -> None:
        """Raises Permanent(`file_not_kept`)."""
        try:
            stored = await in_database(
                artifact_store,
                run_id=self._held.run_id,
                name=name,
                data=data,
                media_type=media_type,
                role=role,
                label=label,
            )
        except (TaskMaprError, OSError, OperationalError, InterfaceError) as error:
            said = error.detail if isinstance(error, TaskMaprError) else type(error).__name__
            raise TaskFailed("file_not_kept", f"{name}: {said}") from error
        self._held.writer.append(stored)

    # One word after another ----------------------------------------------------------------------

    async def _serve(self) -> None:
        while True:
            (name, args), reply = await self._waiting.get()
            try:
                answer = await self._done(name, args)
                (reply or self.warn)(answer)
            finally:
                self._waiting.task_done()

    async def _done(self, name: str, args: tuple[Any, ...]) -> Answer:
        try:
            return True, await self._DOING[name](self, *args)
        except (LeaseLost, IllegalMove):
            return STOPPED
        except TaskMaprError as error:
            return False, (error.code, error.detail)
        except Exception as error:
            logger.exception("run %s: %s of its task failed", self._held.run_id, name)
            return False, ("unhandled_exception", f"{name} failed: {type(error).__name__}")

    async def _log(self, level: LogLevel, text: str) -> None:
        if len(self.lines) >= LINES_MOST:
            return
        if len(self.lines) == LINES_MOST - 1:
            level, text = "warning", f"{LINES_MOST} lines were written, no more are kept"
        line = storable(self.masked(text), LINE_LENGTH)
        event = self._held.writer.append(LogWritten(level=level, text=line))
        self.lines.append(line_of(event.at, level, self._held.attempt, line))

    async def _progress(self, percent: float, text: str) -> None:
        if self._waiting.qsize() > BEHIND and percent < 100:
            return
        fraction = round(min(max(percent, 0.0), 100.0) / 100, 4)
        shown = storable(self.masked(text), LINE_LENGTH)
        self._fraction = fraction
        self._held.writer.append(ProgressMade(fraction=fraction, text=shown or None))

    async def _screenshot(self, name: str, data: bytes, kind: ScreenshotKind) -> None:
        media_type = _picture_type(data)
        if media_type is None:
            raise TaskFailed("file_not_kept", f"{name}: neither PNG nor JPEG nor WebP")
        await self.keep(name, data, media_type, "screenshot", kind)

    async def _artifact(
        self, name: str, data: bytes | Path, media_type: str, is_private: bool
    ) -> None:
        await self.keep(name, data, media_type, "private" if is_private else "download")

    async def _effect_begin(self, what: str) -> None:
        self._held.writer.append(EffectBegun(what=storable(self.masked(what), LINE_LENGTH)))
        await self._held.writer.barrier()

    async def _confirmation(
        self, prompt: str, args: Mapping[str, Any], wait_s: float
    ) -> tuple[str, str] | None:
        """The decision and whose it is; None: nobody was asked, or has answered yet."""
        asked = Question(prompt=self.masked(prompt), args=args, wait_s=wait_s)
        given = self._answers.get(asked.fingerprint)
        if given is None:
            self.question = asked
            self._held.writer.append(ProgressMade(fraction=self._fraction, text=WAITING))
        return given

    async def _partial(self, result: Any) -> None:
        try:
            value = orjson.loads(orjson.dumps(result, option=orjson.OPT_NON_STR_KEYS))
        except TypeError as error:
            raise TaskFailed(
                "result_not_kept", f"The partial result is not JSON: {error}"
            ) from None
        self.result = value
        self._held.writer.append(ResultGiven(value=value))
        # Soon in the store, so that it is there when this process is killed.
        self._held.writer.hurry()

    async def _secret(self, name: str) -> str:
        try:
            value = await in_database(secret_read, name)
        except NotConfigured as error:
            raise TaskFailed("credentials_missing", error.detail) from None
        await self._hide(value)
        return value

    async def _hide(self, secret: str) -> None:
        if secret:
            self._secrets.add(secret)

    _DOING: Final[dict[str, Callable[..., Any]]] = {
        "log": _log,
        "progress": _progress,
        "screenshot": _screenshot,
        "artifact": _artifact,
        "confirmation": _confirmation,
        "effect_begin": _effect_begin,
        "partial": _partial,
        "secret": _secret,
        "hide": _hide,
    }


def _picture_type(data: bytes) -> str | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None
