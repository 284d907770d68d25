"""One WebSocket: its life from the handshake to the close code, whatever is said on it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from enum import IntEnum
from typing import Any, Final

import orjson

from taskmapr.core.errors import InvalidJson, InvalidRequest, PayloadTooLarge, TaskMaprError

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: Characters of one message of a client: more than any token has.
HEARD_CHARACTERS: Final = 16_384
#: Messages that may wait for a reader ...
QUEUED: Final = 1_000
#: ... and the seconds that it then has to take half of them.
PATIENCE_S: Final = 5.0
#: Seconds for the last messages to leave.
FAREWELL_S: Final = 30.0
#: Seconds that something cancelled has to end.
RECANCEL_S: Final = 0.5


class CloseCode(IntEnum):
    """Why a socket of ours ends."""

    NORMAL = 1000
    INTERNAL_ERROR = 1011
    #: Something that it needs is down, or the reader is too slow: come back.
    TRY_AGAIN = 1013
    #: The address says something that can mean nothing.
    BAD_ADDRESS = 4400
    NOT_AUTHENTICATED = 4401
    NOT_FOUND = 4404
    AUTH_LATE = 4408
    TOO_MANY = 4429


class Closing(Exception):
    """The socket ends here, with this code. `reason`: a word for the close frame."""

    def __init__(self, code: CloseCode, reason: str = "") -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class ClientLeft(Exception):
    """The other end is gone; nothing can be said any more."""


class Socket:
    """What is heard and said. Nothing said is sent before `speak` runs."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._waiting: deque[str] = deque()
        self._changed = asyncio.Event()

    async def accept(self) -> None:
        await self._sent({"type": "websocket.accept"})

    async def close(self, code: CloseCode = CloseCode.NORMAL, reason: str = "") -> None:
        """Before `accept` it refuses the handshake: the client sees 403."""
        await self._sent({"type": "websocket.close", "code": int(code), "reason": reason})

    # Hearing -------------------------------------------------------------------------------------

    async def connected(self) -> None:
        """The server's word that somebody knocks."""
        if (await self._receive())["type"] != "websocket.connect":
            raise ClientLeft

    async def hear(self) -> dict[str, Any]:
        """The next message. Raises InvalidRequest or PayloadTooLarge for one that is no small JSON
        object in text, ClientLeft."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise ClientLeft
        return heard(message.get("text"))

    # Saying --------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= QUEUED

    def say(self, text: str) -> None:
        self._waiting.append(text)
        self._changed.set()

    async def speak(self) -> None:
        """Send what is said, for as long as the socket lives."""
        while True:
            while self._waiting:
                await self._sent({"type": "websocket.send", "text": self._waiting[0]})
                self._waiting.popleft()
                self._changed.set()
            self._changed.clear()
            await self._changed.wait()

    async def room(self) -> None:
        """Returns when there is room. Raises Closing for a reader that is too slow."""
        if self.is_full:
            await self._fall_to(QUEUED // 2, PATIENCE_S)

    async def farewell(self) -> None:
        """Returns when everything said is sent. Raises Closing when that takes too long."""
        await self._fall_to(0, FAREWELL_S)

    async def _sent(self, message: Message) -> None:
        """Servers raise what they like when nobody is there any more."""
        try:
            await self._send(message)
        except (OSError, RuntimeError) as error:
            raise ClientLeft from error

    async def _fall_to(self, count: int, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while len(self._waiting) > count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise Closing(CloseCode.TRY_AGAIN, "slow_reader") from None


async def side_by_side(*parts: Coroutine[Any, Any, None]) -> None:
    """Run these until one of them ends; then all have ended. Raises what that one raised.

    Each is cancelled until it heeds it: a client library under one of them may take a cancellation
    for a timeout of its own, which a task group would wait on for ever.
    """
    tasks = {asyncio.ensure_future(part) for part in parts}
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        while open_ones := {task for task in tasks if not task.done()}:
            for task in open_ones:
                task.cancel()
            await asyncio.wait(open_ones, timeout=RECANCEL_S)
    # The others' errors came after the end; they are looked at, so that nobody misses them.
    others = [task.exception() for task in tasks - ended if not task.cancelled()]
    for task in ended:
        task.result()
    logger.debug("after the end: %s", others)


def heard(text: str | None) -> dict[str, Any]:
    """A message as the JSON object that it must be. Raises InvalidRequest, PayloadTooLarge."""
    if text is None:
        raise InvalidRequest("Messages are text; this one was binary.")
    if len(text) > HEARD_CHARACTERS:
        raise PayloadTooLarge(f"A message has at most {HEARD_CHARACTERS} characters.")
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise InvalidJson("The message is not JSON.") from None
    if not isinstance(message, dict):
        raise InvalidRequest("A message is a JSON object.")
    return message


def closing_of(error: TaskMaprError) -> Closing:
    """How a socket ends that could not be opened, or not be kept up, because of this error."""
    match error.status:
        case 401 | 403:
            code = CloseCode.NOT_AUTHENTICATED
        case 404:
            code = CloseCode.NOT_FOUND
        case 429:
            code = CloseCode.TOO_MANY
        case _:
            code = CloseCode.TRY_AGAIN
    return Closing(code, error.code)
