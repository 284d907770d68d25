"""Circuit breakers: a service that fails again and again is left alone for a while.

One circuit per service, shared by all processes through Redis and timed by Redis' own clock.
Closed: calls go through and failures are counted. Open: nothing is sent, CircuitOpen at once.
Half-open, when the pause is over: one call at a time may try; enough of them in a row that succeed
close it, one that fails opens it anew.

A healthy service costs one read in Redis a call and leaves nothing there. While Redis is away every
call goes through: a breaker spares time and the other side, it protects nothing, and the calls it
would stop fail by themselves.

Names: `flow:n8n`, `flow:activepieces`, `flow:<host>`, `mcp:<server>`, `ssh:<alias>`,
`model:<host>`, `embeddings:<host>`, `callback:<host>`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid4
from weakref import WeakKeyDictionary

from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from taskmapr.core.errors import CircuitOpen, ModelFailed, TaskMaprError
from taskmapr.foundation.aio import require_not_cancelled
from taskmapr.foundation.http.breaker_scripts import ENTER, INDEX, LEAVE, circuit_keys
from taskmapr.foundation.http.breaker_settings import limits_of

logger = logging.getLogger(__name__)

#: While Redis does not answer it is asked once in so many seconds.
_REDIS_PAUSE_S: Final = 1.0
_TIMEOUT_S: Final = 1.0

#: Says of what a call raised whether the service failed.
FailureTest = Callable[[BaseException], bool]


def is_failure(error: BaseException) -> bool:
    """Whether an exception says that the service does not work. What a request did wrong (4xx), and
    what stays wrong however often one asks, does not count."""
    if isinstance(error, TaskMaprError):
        return error.status >= 500 and not getattr(error, "permanent", False)
    return isinstance(error, Exception)


def is_model_outage(error: BaseException) -> bool:
    """The same for providers of models: a wrong key and too many requests are no outage either."""
    return isinstance(error, ModelFailed) and error.is_outage and not error.permanent


@dataclass(slots=True)
class GuardedCall:
    """A call under way. One that fails without raising says so."""

    service: str
    #: Names this call as the one that tries whether the service works again; empty: it is not.
    probe: str = ""
    has_failed: bool = False
    _told: asyncio.Task[None] | None = None

    def failed(self) -> None:
        self.has_failed = True

    def works(self) -> None:
        """Say before the end that the service answers, so that nobody waits for the rest of it.
        What fails afterwards counts as a failure of its own."""
        if self.probe and self._told is None:
            self._told = asyncio.create_task(_leave(self, "worked"))

    async def ended(self, outcome: str) -> None:
        """`worked`, `failed` or `released`: it was cancelled."""
        if self._told is not None:
            await self._told
            if outcome != "failed":
                return
        await _leave(self, outcome)


@asynccontextmanager
async def circuit(
    service: str,
    *,
    within_s: float = 30.0,
    remembers_s: float = 0.0,
    counts: FailureTest = is_failure,
) -> AsyncIterator[GuardedCall]:
    """Make a call to `service` inside. Raises CircuitOpen, with `Retry-After`, before anything is
    sent.

    `within_s`: the longest that the call may take; so long nobody else tries a service that is
    half-open. `remembers_s`: seconds for which this process believes that a circuit is closed
    without asking again: for calls that cannot wait for Redis. A call that is cancelled counts
    neither as a failure nor as a success.
    """
    call = GuardedCall(service, await _enter(service, within_s, remembers_s))
    try:
        require_not_cancelled()
        yield call
    except asyncio.CancelledError:
        await call.ended("released")
        raise
    except BaseException as error:
        await call.ended("failed" if call.has_failed or counts(error) else "worked")
        raise
    await call.ended("failed" if call.has_failed else "worked")


async def _enter(service: str, within_s: float, remembers_s: float) -> str:
    now = time.monotonic()
    if now < max(_closed_until.get(service, 0.0) if remembers_s else 0.0, _redis_away_until[0]):
        return ""
    limits = await limits_of(service)
    probe = uuid4().hex
    try:
        answer, wait_ms = await _client().eval(
            ENTER, 1, circuit_keys(service)[0], limits.open_ms, int(within_s * 1000) + 5000, probe
        )
    except RedisError as error:
        _redis_is_away(error)
        return ""
    match answer:
        case b"closed":
            _remember(service, remembers_s)
            return ""
        case b"probe":
            logger.info("circuit %s: half-open, one call tries", service)
            return probe
    wait_s = max(1, -(-int(wait_ms) // 1000))
    raise CircuitOpen(
        f"{service} failed several times and is left alone for {wait_s} s.",
        details={"service": service, "retry_after_s": wait_s},
    )


async def _leave(call: GuardedCall, outcome: str) -> None:
    """What became of it. Success of a closed circuit is nothing to write down."""
    if not call.probe and outcome != "failed":
        return
    limits = await limits_of(call.service)
    try:
        # Shielded: a caller that is cancelled now must not leave the probe's place taken.
        before, after = await asyncio.shield(
            _client().eval(
                LEAVE,
                3,
                *circuit_keys(call.service),
                INDEX,
                *(call.service, outcome, call.probe, uuid4().hex),
                *(limits.failures, limits.window_ms, limits.successes),
            )
        )
    except RedisError as error:
        _redis_is_away(error)
        return
    if before != after:
        _closed_until.pop(call.service, None)
        logger.warning("circuit %s: %s, was %s", call.service, after.decode(), before.decode())


# What this process knows ---------------------------------------------------------------------

_closed_until: dict[str, float] = {}
_redis_away_until: list[float] = [0.0]
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[str, Redis]] = WeakKeyDictionary()


def _remember(service: str, remembers_s: float) -> None:
    if remembers_s:
        if len(_closed_until) > 1000:
            _closed_until.clear()
        _closed_until[service] = time.monotonic() + remembers_s


def _redis_is_away(error: RedisError) -> None:
    _redis_away_until[0] = time.monotonic() + _REDIS_PAUSE_S
    logger.warning("circuit breakers let everything through: %s", type(error).__name__)


def forget() -> None:
    """As if this process had just started: for tests."""
    _closed_until.clear()
    _redis_away_until[0] = 0.0


async def close() -> None:
    """Close what the running loop has open: for loops that end soon."""
    known = _clients.pop(asyncio.get_running_loop(), None)
    if known is not None:
        await known[1].aclose()


def _client() -> Redis:
    """One for each event loop."""
    loop = asyncio.get_running_loop()
    known = _clients.get(loop)
    if known is None or known[0] != settings.REDIS_URL:
        client = Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        known = _clients[loop] = (settings.REDIS_URL, client)
    return known[1]
