"""`/ws/task/{task_id}`: one task, live.

Following the log, sending, pinging and listening run side by side while it lasts; the first that
ends, ends all. Nothing is lost by that: whoever comes back names the last number that it has seen.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from orchestration.consumers.admission import Credentials, Welcome, scope_check
from orchestration.consumers.base import (
    ClientLeft,
    CloseCode,
    Closing,
    Receive,
    Scope,
    Send,
    Socket,
    closing_of,
    side_by_side,
)
from orchestration.consumers.connections import connection_take, held
from orchestration.dialects.base import Frame
from orchestration.dialects.compact_json import compact_json
from orchestration.dialects.task_result import TaskResult
from orchestration.dialects.task_socket import TaskSocketDialect
from orchestration.live import live
from orchestration.selectors.artifacts import urls_of
from orchestration.selectors.followed_tasks import FollowedTask, task_followed
from orchestration.selectors.runs import run_exists
from orchestration.selectors.tasks import reader_of
from orchestration.services.run_end import run_cancel
from taskmapr.core.errors import (
    InvalidInput,
    InvalidRequest,
    NotAuthenticated,
    TaskMaprError,
    TaskNotFound,
)
from taskmapr.core.events import Event
from taskmapr.core.ids import uuid7
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.problems import translated
from taskmapr.foundation.telemetry import metrics
from taskmapr.foundation.telemetry.logs import bind, bind_only
from taskmapr.users.principals import Admitted
from taskmapr.users.scopes import Scope as KeyScope

logger = logging.getLogger(__name__)

#: Seconds until a first message must have said who is there.
AUTH_S: Final = 5.0
PING_S: Final = 20.0
#: After so long without an announcement the stores are asked whether one was lost.
SILENCE_S: Final = 60.0

_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_READING: Final = (KeyScope.TASKS_READ, KeyScope.INTENTS_RUN)
_CANCELLING: Final = (KeyScope.TASKS_CANCEL, KeyScope.INTENTS_RUN)


async def task_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application. `scope["url_route"]["kwargs"]["task_id"]`: as the client wrote it."""
    socket = Socket(receive, send)
    try:
        await _serve(scope, socket)
    except ClientLeft:
        return


async def _serve(scope: Scope, socket: Socket) -> None:
    bind_only(request_id=str(uuid7()))
    await socket.connected()
    credentials = Credentials(scope)
    if not await _is_welcome(credentials):
        await socket.close()
        return
    await socket.accept()
    metrics.socket_opened()
    try:
        closing = await _talked(socket, credentials, scope["url_route"]["kwargs"]["task_id"])
    finally:
        metrics.socket_closed()
    await socket.close(closing.code, closing.reason)


async def _talked(socket: Socket, credentials: Credentials, named: str) -> Closing:
    """Everything between the handshake and the close code. Raises ClientLeft."""
    since = time.monotonic()
    closing = Closing(CloseCode.NORMAL)
    try:
        await _Follower(socket, credentials, named).follow()
    except Closing as said:
        closing = said
    except TaskMaprError as error:
        closing = closing_of(error)
    except ClientLeft:
        closing = Closing(CloseCode.NORMAL, "left")
        raise
    except Exception as error:
        known = translated(error)
        if type(known) is TaskMaprError:
            logger.exception("a socket failed")
            closing = Closing(CloseCode.INTERNAL_ERROR, known.code)
        else:
            closing = closing_of(known)
    finally:
        logger.info(
            "/ws/task ended with %d %s after %.1f s",
            closing.code,
            closing.reason or "done",
            time.monotonic() - since,
        )
    return closing


class _Follower:
    """One socket on its way through admission, the log, and the end."""

    def __init__(self, socket: Socket, credentials: Credentials, named: str) -> None:
        self._socket = socket
        self._credentials = credentials
        self._named = named
        self._id = uuid7().hex
        self._after = _cursor(credentials.after)
        self._task: FollowedTask
        self._admitted: Admitted
        self._is_development = False
        self._dialect: TaskSocketDialect
        self._is_told = asyncio.Event()

    async def follow(self) -> None:
        """Raises Closing at the end of the task, ClientLeft, and whatever keeps it from that."""
        await self._admit()
        ref = self._admitted[1].ref
        try:
            held().add(self._id, ref)
            bind(run_id=self._task.task_id, user_id=self._admitted[0].pk)
            self._dialect = TaskSocketDialect(self._task.task_id, self._result())
            await side_by_side(self._socket.speak(), self._tell_all(), self._ping(), self._listen())
        finally:
            await held().leave(self._id)

    # Admission -----------------------------------------------------------------------------------

    async def _admit(self) -> None:
        try:
            if await in_database(self._open):
                return
        except TaskNotFound:
            if not await in_database(self._may_say_more):
                raise
            self._credentials.with_first(await self._more())
        else:
            self._credentials.with_first(await self._first_message())
        if not await in_database(self._open):
            raise NotAuthenticated

    def _may_say_more(self) -> bool:
        """Whether who was taken for the development user may be somebody else: the task is there,
        and pages of a server that asks nobody for credentials still sign people in."""
        return self._is_development and run_exists(_uuid_of(self._named))

    async def _more(self) -> dict[str, Any]:
        try:
            return await self._first_message()
        except Closing:
            raise TaskNotFound from None

    async def _first_message(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(AUTH_S):
                return await self._socket.hear()
        except TimeoutError:
            raise Closing(CloseCode.AUTH_LATE, "auth_late") from None
        except TaskMaprError as error:
            raise NotAuthenticated from error

    def _open(self) -> bool:
        """Whether somebody is there, who then may follow this task. Sync, one visit for all."""
        admitted = self._credentials.admitted()
        if admitted is None:
            return False
        user, credential = admitted
        self._is_development = credential.kind == "development"
        scope_check(admitted, *_READING)
        wanted = _uuid_of(self._named)
        self._task = task_followed(task_id=wanted, reader=reader_of(user, credential))
        connection_take(ref=credential.ref, socket_id=self._id)
        self._admitted = admitted
        return True

    # What runs side by side

    async def _tell_all(self) -> None:
        if not _is_cursor(self._credentials.after):
            await self._refuse_cursor()
        if self._task.facts.is_erased:
            await self._tell_row()
        batches = live().follow(self._task.task_id, sealer=self._task.sealer, idle_s=SILENCE_S)
        async with aclosing(batches):
            async for batch in batches:
                if batch:
                    await self._tell(batch)

    async def _refuse_cursor(self) -> None:
        told = {"code": InvalidInput.code, "message": "`after` must be the number of an event."}
        self._sign("error", {**told, "retryable": False})
        await self._socket.farewell()
        raise Closing(CloseCode.BAD_ADDRESS, InvalidInput.code)

    async def _tell_row(self) -> None:
        """The log is gone with its time; the row still says how it ended."""
        await self._say([self._dialect.snapshot(), self._dialect.result()])
        await self._end()

    async def _tell(self, batch: list[Event]) -> None:
        is_over = batch[-1].kind == "run.finished"
        if is_over and not (self._is_told.is_set() or self._credentials.after):
            # It was over before, though its row did not say so yet.
            self._after = math.inf
        seen = [event for event in batch if event.seq <= self._after]
        self._dialect.prime(seen)
        if not self._is_told.is_set():
            await self._say([self._dialect.snapshot()])
            self._is_told.set()
        for event in batch[len(seen) :]:
            await self._say(self._dialect.feed(event))
        if is_over:
            if len(seen) == len(batch):
                await self._say([self._dialect.result()])
            await self._end()

    async def _end(self) -> None:
        await self._socket.farewell()
        raise Closing(CloseCode.NORMAL)

    async def _say(self, frames: list[Frame]) -> None:
        for frame in frames:
            if self._socket.is_full:
                await self._socket.room()
            self._socket.say(compact_json(frame.data).decode())

    async def _ping(self) -> None:
        await self._is_told.wait()
        while True:
            await asyncio.sleep(PING_S)
            self._sign("ping")

    def _sign(self, name: str, data: dict[str, Any] | None = None) -> None:
        if not self._socket.is_full:
            frame = self._dialect.sign(name, datetime.now(UTC), data)
            self._socket.say(compact_json(frame.data).decode())

    # Listening -----------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            try:
                message = await self._socket.hear()
                await self._is_told.wait()
                await self._answer(message)
            except ClientLeft:
                raise
            except TaskMaprError as error:
                await self._is_told.wait()
                said = {"code": error.code, "message": error.detail, "retryable": error.retryable}
                self._sign("error", said)

    async def _answer(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "ping":
                self._sign("pong")
            case "pong":
                pass
            case "auth" if self._is_development:
                pass  # nobody has to say who is there, and nobody is wrong to
            case "auth":
                raise InvalidRequest("This socket knows who is there already.")
            case "cancel":
                scope_check(self._admitted, *_CANCELLING)
                await in_database(
                    run_cancel, run_id=self._task.task_id, by=str(self._admitted[0].pk)
                )
            case _:
                raise InvalidRequest("Known messages are `ping` and `cancel`.")

    # ---------------------------------------------------------------------------------------------

    def _result(self) -> TaskResult:
        task = self._task
        if task.facts.is_erased:
            return TaskResult(task.facts, urls_of(task.task_id))
        if task.is_final and not self._credentials.after:
            # Nothing of a task that is over is told again: it came to this.
            self._after = math.inf
        return TaskResult(task.unborn(), urls_of(task.task_id))


async def _is_welcome(credentials: Credentials) -> bool:
    return not credentials.origin or await in_database(_welcome().has, credentials)


def _welcome() -> Welcome:
    global _known  # noqa: PLW0603 - what the profiles say is read once for all sockets
    if _known is None:
        _known = Welcome()
    return _known


_known: Welcome | None = None


def _is_cursor(text: str) -> bool:
    return not text or _NUMBER.fullmatch(text) is not None


def _cursor(text: str) -> float:
    """The number of the last event that a client has seen. The first one is the snapshot's."""
    return max(1, int(text)) if text and _is_cursor(text) else 1


def _uuid_of(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise TaskNotFound from None
