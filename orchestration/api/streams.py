"""A run's log as an answer to a request: a stream of server-sent events, or one JSON object."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse

from orchestration.carriages.sse import CONTENT_TYPE, SseStream
from orchestration.dialects.base import Dialect
from orchestration.dialects.overlay_json import OverlayAnswer
from orchestration.dialects.table import dialect_for
from orchestration.live import live
from orchestration.log.reader import Subscription
from orchestration.standby.anywhere import fail_unclaimed_anywhere
from taskmapr.core import wired
from taskmapr.core.errors import InvalidInput, QueueUnavailable
from taskmapr.core.events import Event
from taskmapr.core.run_kinds import run_kind
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.telemetry import metrics
from taskmapr.foundation.telemetry.outages import WORKERS

logger = logging.getLogger(__name__)

_MAX_ID: Final = 80


def event_id_of(text: str) -> tuple[UUID, int]:
    """`<run_id>:<seq>` → (run id, seq). Raises InvalidInput."""
    run, _, seq = text[:_MAX_ID].strip().rpartition(":")
    try:
        run_id, number = UUID(run), int(seq)
        if number < 0:
            raise ValueError(seq)  # noqa: TRY301
    except ValueError:
        raise InvalidInput.of(("Last-Event-ID", "must look like <run_id>:<seq>")) from None
    return run_id, number


def wants_json(request: HttpRequest, stream: bool | None) -> bool:
    """True when the caller asked for one JSON answer instead of a stream."""
    if stream is not None:
        return not stream
    accept = request.headers.get("Accept", "")
    return "application/json" in accept and "text/event-stream" not in accept


class _Frames:
    """The bytes of a stream, and the end of the listening when nobody reads them.

    A client may leave before the first byte. A generator that was never begun has no end that could
    tidy up, and a run with a listener counts as read.
    """

    def __init__(
        self, frames: AsyncGenerator[bytes, None], subscription: Subscription | None
    ) -> None:
        self._frames, self._subscription = frames, subscription
        self._loop = asyncio.get_running_loop()

    def __aiter__(self) -> AsyncGenerator[bytes, None]:
        return self._frames

    def close(self) -> None:
        """Called by Django when the response is over, however it ended, in any thread."""
        if self._subscription is not None:
            leaving = _leave(self._subscription)
            try:
                asyncio.run_coroutine_threadsafe(leaving, self._loop)
            except RuntimeError:  # the loop is closed, and its listening with it
                leaving.close()


async def _leave(subscription: Subscription | None) -> None:
    """Harmless when it was left already."""
    if subscription is not None:
        await live().unsubscribe(subscription)


def stream_response(
    frames: AsyncGenerator[bytes, None],
    *,
    run_id: UUID,
    session_id: str | None,
    subscription: Subscription | None = None,
) -> StreamingHttpResponse:
    """The headers that keep every proxy on the way from collecting or cutting the stream.

    subscription: what `frames` listen to, if that began before them.
    """
    return StreamingHttpResponse(
        _Frames(frames, subscription),
        content_type=CONTENT_TYPE,
        headers={
            "Cache-Control": "no-cache, no-transform",
            "X-Accel-Buffering": "no",
            "X-Run-Id": str(run_id),
            "X-Session-Id": session_id or "",
        },
    )


class Followed:
    """One reader of one run: batches of events, with the watch for a missing worker beside them."""

    def __init__(self, run_id: UUID, session_id: str | None, *, kind: str, endpoint: str) -> None:
        """kind: of the run. endpoint: the route by which the reader came."""
        self.run_id = run_id
        self.session_id = session_id
        self._kind = kind
        self._endpoint = endpoint
        self._is_claimed = False
        self._is_done = False

    async def batches(self, **how: Any) -> AsyncGenerator[list[Event], None]:
        """What `Live.follow` yields with the arguments `how`; empty batches mean: send a sign."""
        heartbeat_s = float(settings.TASKMAPR["heartbeat_s"])
        loop = asyncio.get_running_loop()
        unclaimed_until = loop.time() + settings.TASKMAPR["no_worker_after_s"]
        events = live().follow(self.run_id, idle_s=heartbeat_s, **how)
        try:
            async for batch in events:
                self._is_claimed = self._is_claimed or any(e.kind == "run.started" for e in batch)
                self._is_done = bool(batch) and batch[-1].kind == "run.finished"
                yield batch
                if not self._is_claimed and loop.time() >= unclaimed_until:
                    unclaimed_until += heartbeat_s
                    await self._look_for_worker()
        finally:
            await events.aclose()
            if not self._is_done:
                logger.info("[TaskMapr] Client disconnected for session %s", self.session_id)

    def failure_count(self, batch: list[Event]) -> None:
        """A stream has begun with 200; that its run failed is in the last batch."""
        if self._is_done:
            for event in batch:
                if event.kind == "error":
                    metrics.error_counted(endpoint=self._endpoint, code=event.data["code"])

    async def _look_for_worker(self) -> None:
        """Nobody took the run for long: end it, unless workers of its queue are merely busy."""
        queue = run_kind(self._kind).queue
        try:
            workers = await in_database(wired.ports().signals.workers)
            if any(worker.serves(queue) for worker in workers):
                return
            WORKERS.warn(f"nobody who serves {queue} gives a sign of life")
        except QueueUnavailable:
            logger.debug("run %s: nobody knows of any worker", self.run_id)
        await in_database(fail_unclaimed_anywhere, self.run_id)


async def sse_frames(
    followed: Followed, *, after: int = 0, dialect_name: str = "overlay", **how: Any
) -> AsyncGenerator[bytes, None]:
    """The stream's bytes: frames of events with seq > after, and heartbeats while it is silent."""
    dialect: Dialect = dialect_for(dialect_name, followed.run_id)
    stream = SseStream()
    batches = followed.batches(**how)
    begun = time.monotonic()
    metrics.stream_opened()
    try:
        if opening := stream.encode(dialect.open()):
            yield opening
        async for batch in batches:
            if not batch:
                beat = dialect.heartbeat(datetime.now(UTC))
                frames = [beat] if beat is not None else []
            else:
                seen = [event for event in batch if event.seq <= after]
                dialect.prime(seen)
                frames = [f for event in batch[len(seen) :] for f in dialect.feed(event)]
            if body := stream.encode(frames):
                yield body
            followed.failure_count(batch)
    finally:
        metrics.stream_closed(time.monotonic() - begun)
        await batches.aclose()
        # Who leaves after the opening has not begun with the batches.
        await _leave(how.get("subscription"))


async def json_body(followed: Followed, **how: Any) -> dict[str, Any]:
    """The whole answer, when the run has ended. A failed run is raised as its error."""
    dialect = dialect_for("overlay", followed.run_id)
    answer = OverlayAnswer()
    batches = followed.batches(**how)
    try:
        async for batch in batches:
            for event in batch:
                answer.take(dialect.feed(event))
    finally:
        await batches.aclose()
        await _leave(how.get("subscription"))
    if (problem := answer.problem()) is not None:
        raise problem
    return answer.body()


def uuid_of(text: str) -> UUID | None:
    """A UUID, or None when the text is none: such a thing does not exist."""
    try:
        return UUID(text)
    except ValueError:
        return None
