"""Following runs in a web process: one Redis connection, however many readers.

A reader holds a cursor. It first reads what it lacks (Redis, then Postgres), then follows the
announcements, whose bodies carry the events. A gap, a slow reader or a lost connection means only:
read again from the cursor. While Redis is away, and for a moment after, Postgres is asked once a
second.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from orchestration.log.wire import unpack
from taskmapr.core.errors import QueueUnavailable
from taskmapr.core.events import Event
from taskmapr.core.ports import LogTransport, Sealer
from taskmapr.foundation.aio import require_not_cancelled
from taskmapr.foundation.telemetry.outages import REDIS

#: Bodies that may wait in one subscription before the reader is told to read again instead.
BACKLOG: Final = 512
POLL_S: Final = 1.0
#: A look at the newest event takes at most this long: it only saves a reader from an old answer.
LOOK_S: Final = 1.0
CONNECT_S: Final = 2.0
#: While Redis is away it is tried this often.
RETRY_S: Final = 0.2
#: After so much silence Redis is asked for a sign of life; as much again without one, it is away.
PULSE_S: Final = 2.0
#: With these a worker leaves a run; its row says so a moment later.
REST: Final = frozenset({"run.finished", "run.paused"})
#: What a writer could not announce is in Postgres after so long: its client's timeout and the pause
#: between two writes, and as much again.
SETTLE_S: Final = 5.0
#: A connection that listens needs a channel; nothing is ever said on this one.
IDLE_CHANNEL: Final = b"tm:idle"

#: Reads stored events with seq > after from Postgres.
StoredEvents = Callable[[UUID, int, Sealer | None], Awaitable[list[Event]]]


class Subscription:
    """The announcements of one run for one reader."""

    __slots__ = ("_bodies", "_wake", "is_stale", "run_id")

    def __init__(self, run_id: UUID) -> None:
        self.run_id = run_id
        self.is_stale = False
        self._bodies: list[bytes] = []
        self._wake = asyncio.Event()

    def push(self, body: bytes) -> None:
        if len(self._bodies) >= BACKLOG:
            self._bodies.clear()
            self.is_stale = True
        elif not self.is_stale:
            self._bodies.append(body)
        self._wake.set()

    def invalidate(self) -> None:
        """Something may have been missed: the reader must read from its cursor."""
        self.is_stale = True
        self._wake.set()

    async def take(self, timeout_s: float) -> list[bytes]:
        """The bodies that arrived; empty after `timeout_s` or when stale."""
        require_not_cancelled()
        if not self._wake.is_set():
            # Not wait_for, which makes a task for each wait.
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
        self._wake.clear()
        bodies, self._bodies = self._bodies, []
        return bodies


class Announcements:
    """The one pub/sub connection of this process, renewed for as long as anybody needs it."""

    def __init__(self, client: Redis, channel_name: Callable[[UUID], str]) -> None:
        self._client = client
        self._channel_name = channel_name
        self._subscriptions: dict[bytes, set[Subscription]] = defaultdict(set)
        self._confirmations: dict[bytes, list[asyncio.Future[None]]] = defaultdict(list)
        self._pubsub: Any = None
        self._task: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Future[None]] = set()
        self._sure_at = 0.0
        self.is_up = False

    @property
    def is_sure(self) -> bool:
        """Whether everything new is announced. Not so while Redis is away, nor for a moment after:
        what a writer said just then only Postgres may get, after its readers have looked there."""
        return self.is_up and asyncio.get_running_loop().time() >= self._sure_at

    async def subscribe(self, run_id: UUID) -> Subscription:
        """Returns when Redis has confirmed, so nothing said afterwards is missed.

        Raises QueueUnavailable when Redis cannot be reached.
        """
        subscription = Subscription(run_id)
        channel = self._channel_name(run_id).encode()
        known = channel in self._subscriptions and not self._confirmations.get(channel)
        self._subscriptions[channel].add(subscription)
        try:
            if not (known and self.is_up):
                await self._confirm(channel)
            require_not_cancelled()
        except BaseException as error:
            await self.unsubscribe(subscription)
            if isinstance(error, RedisError | OSError | TimeoutError):
                REDIS.warn(error)
                raise QueueUnavailable("Live events cannot be followed.") from error
            raise
        return subscription

    async def attach(self, run_id: UUID) -> Subscription:
        """Like subscribe, but never fails: a subscription that is stale until Redis is back."""
        try:
            return await self.subscribe(run_id)
        except QueueUnavailable:
            subscription = Subscription(run_id)
            channel = self._channel_name(run_id).encode()
            self._subscriptions[channel].add(subscription)
            try:
                if self.is_up:
                    with suppress(RedisError, OSError):
                        await self._tell(self._pubsub.subscribe, channel)
            except asyncio.CancelledError:
                await self.unsubscribe(subscription)
                raise
            return subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        channel = self._channel_name(subscription.run_id).encode()
        members = self._subscriptions.get(channel)
        if members is None:
            return
        members.discard(subscription)
        if members:
            return
        del self._subscriptions[channel]
        if self.is_up:
            with suppress(RedisError, OSError):
                await self._tell(self._pubsub.unsubscribe, channel)

    @property
    def run_ids(self) -> set[UUID]:
        return {s.run_id for members in self._subscriptions.values() for s in members}

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._pubsub is not None:
            with suppress(RedisError, OSError):
                await self._pubsub.aclose()
        await self._client.aclose()

    async def _confirm(self, channel: bytes) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._confirmations[channel].append(future)
        try:
            async with asyncio.timeout(CONNECT_S):
                if self.is_up:
                    await self._tell(self._pubsub.subscribe, channel)
                elif self._task is None or self._task.done():
                    # It subscribes to everything that is wanted when it connects.
                    self._task = asyncio.create_task(self._listen(), name="run-announcements")
                await future
        finally:
            waiting = self._confirmations.get(channel, [])
            if future in waiting:
                waiting.remove(future)
            if not waiting:
                self._confirmations.pop(channel, None)

    async def _tell(self, command: Callable[[bytes], Awaitable[None]], channel: bytes) -> None:
        """To its end: a command that is cut short takes the connection of everybody along."""
        telling = asyncio.ensure_future(command(channel))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)
        await asyncio.shield(telling)

    async def _listen(self) -> None:
        await self._connect()
        while True:
            try:
                await self._hear()
            except (RedisError, OSError) as error:
                REDIS.warn(error)
                self.is_up = False
                self._invalidate_all()
                await self._connect()
                self._sure_at = asyncio.get_running_loop().time() + SETTLE_S
                REDIS.over("Redis is back")

    async def _hear(self) -> None:
        """Pass on what comes. Raises when the connection is lost, also without a sound."""
        is_asked = False
        while True:
            message = await self._pubsub.get_message(timeout=PULSE_S)
            if message is not None:
                is_asked = False
                self._dispatch(message)
            elif is_asked:
                raise RedisTimeout("Redis does not answer")
            else:
                await self._pubsub.ping()
                is_asked = True

    def _dispatch(self, message: dict[str, Any]) -> None:
        channel = message["channel"]
        if message["type"] == "message":
            for subscription in self._subscriptions.get(channel, ()):
                subscription.push(message["data"])
        elif message["type"] == "subscribe":
            for future in self._confirmations.get(channel, ()):
                if not future.done():
                    future.set_result(None)

    async def _connect(self) -> None:
        """Returns when everything that is wanted is subscribed anew, however long that takes."""
        while True:
            pubsub = self._client.pubsub()
            try:
                await self._subscribe_all(pubsub)
            except (RedisError, OSError) as error:
                self._refuse_waiting(error)
                with suppress(RedisError, OSError):
                    await pubsub.aclose()
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def _subscribe_all(self, pubsub: Any) -> None:
        wanted = set(self._subscriptions) or {IDLE_CHANNEL}
        await pubsub.subscribe(*wanted)
        # Only an answer proves that somebody is there.
        if (confirmation := await pubsub.get_message(timeout=CONNECT_S)) is None:
            raise RedisTimeout("Redis does not answer")
        old, self._pubsub = self._pubsub, pubsub
        if old is not None:
            with suppress(RedisError, OSError):
                await old.aclose()
        # What changed while we waited: nobody else uses this connection before it is up. Whoever
        # comes while a change is sent counts on this as well, so the last look finds nothing.
        if left := wanted - set(self._subscriptions) - {IDLE_CHANNEL}:
            await pubsub.unsubscribe(*left)
            wanted -= left
        while missing := set(self._subscriptions) - wanted:
            await pubsub.subscribe(*missing)
            wanted |= missing
        self.is_up = True
        self._dispatch(confirmation)
        self._invalidate_all()

    def _refuse_waiting(self, error: Exception) -> None:
        for futures in self._confirmations.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)

    def _invalidate_all(self) -> None:
        for members in self._subscriptions.values():
            for subscription in members:
                subscription.invalidate()


class LogReader:
    """Reads and follows logs in one web process."""

    def __init__(
        self, announcements: Announcements, transport: LogTransport, stored: StoredEvents
    ) -> None:
        self.announcements = announcements
        self._transport = transport
        self._stored = stored

    async def follow(
        self,
        run_id: UUID,
        *,
        after: int = 0,
        sealer: Sealer | None = None,
        subscription: Subscription | None = None,
        known: list[Event] | None = None,
        idle_s: float = 15.0,
    ) -> AsyncGenerator[list[Event], None]:
        """Batches of events with seq > after, without gap or repetition, until run.finished.

        An empty batch means that nothing happened for `idle_s` seconds. `known` are events that the
        caller has at hand and that precede everything announced on `subscription`.
        """
        own = subscription or await self.announcements.attach(run_id)
        own.is_stale = own.is_stale or known is None
        cursor = after
        batch = known or []
        try:
            while True:
                if batch:
                    cursor = batch[-1].seq
                    yield batch
                    if batch[-1].kind == "run.finished":
                        return
                batch = await self._next(own, cursor, sealer, idle_s)
                if not batch:
                    yield []
        finally:
            await self.announcements.unsubscribe(own)

    async def at_rest(self, run_ids: Collection[UUID]) -> set[UUID]:
        """Those of which the fast lane says that nobody works on them any more, which Postgres may
        not say yet. None while nobody knows."""
        asked = list(run_ids)
        if not asked:
            return set()
        try:
            async with asyncio.timeout(LOOK_S):
                bodies = await self._transport.last(asked)
        except (QueueUnavailable, TimeoutError):
            return set()
        newest = {
            run: unpack(run, body)[-1] for run, body in zip(asked, bodies, strict=True) if body
        }
        return {run for run, event in newest.items() if event.kind in REST}

    async def _next(
        self, subscription: Subscription, cursor: int, sealer: Sealer | None, idle_s: float
    ) -> list[Event]:
        run_id = subscription.run_id
        loop = asyncio.get_running_loop()
        until = loop.time() + idle_s
        while True:
            if subscription.is_stale:
                # Cleared before reading: what is announced meanwhile is kept.
                subscription.is_stale = False
                if batch := await self._missing(run_id, cursor, sealer):
                    subscription.is_stale = True
                    return batch
            if (left := until - loop.time()) <= 0:
                return []
            is_sure = self.announcements.is_sure
            bodies = await subscription.take(left if is_sure else min(POLL_S, left))
            batch = [e for body in bodies for e in unpack(run_id, body, sealer, cursor)]
            if batch and _is_consecutive(batch, cursor):
                return batch
            # A gap, or Redis is away, or it was silent for long: look whether something was missed.
            subscription.is_stale = subscription.is_stale or bool(batch) or not bodies

    async def _missing(self, run_id: UUID, cursor: int, sealer: Sealer | None) -> list[Event]:
        """What both stores have after the cursor, without a gap."""
        live = await self._live(run_id, cursor, sealer)
        if live and _is_consecutive(live, cursor):
            return live
        stored = await self._stored(run_id, cursor, sealer)
        end = stored[-1].seq if stored else cursor
        rest = [event for event in live if event.seq > end]
        return stored + rest if _is_consecutive(rest, end) else stored

    async def _live(self, run_id: UUID, cursor: int, sealer: Sealer | None) -> list[Event]:
        if not self.announcements.is_up:
            return []
        try:
            bodies = await self._transport.read(run_id, cursor)
        except QueueUnavailable:
            return []
        return [event for body in bodies for event in unpack(run_id, body, sealer, cursor)]


def _is_consecutive(events: list[Event], after: int) -> bool:
    return all(event.seq == seq for seq, event in enumerate(events, after + 1))
