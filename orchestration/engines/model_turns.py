"""Model turns that survive a provider's bad moment: retries, a smaller context, other models.

All only as long as nothing of an answer has been heard: what a reader saw is never said again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from taskmapr.core.errors import CircuitOpen, ModelFailed, ModelRefusedContext
from taskmapr.core.ports import ModelEndpoint, ModelPort, ModelRequest, ModelResponse, ModelSink

logger = logging.getLogger(__name__)

#: Seconds before the first and the second retry.
BACKOFF_S: Final = (0.5, 1.5)
#: A provider that asks for a longer pause than this is not asked again in this turn.
LONGEST_PAUSE_S: Final = 10.0


def _spread(seconds: float) -> float:
    """Up to a fifth more, so that runs that failed together do not come back together."""
    return seconds * random.uniform(1.0, 1.2)  # noqa: S311 - not a secret


def _ignore(endpoint: ModelEndpoint) -> None:
    """Nobody wants to know."""


class Context(Protocol):
    """What fits into the window of the endpoint that a request names."""

    def fitted(self, request: ModelRequest) -> ModelRequest:
        """The request, smaller where the window is known to be too small for it."""

    def smaller(self, request: ModelRequest, refused: ModelRequest) -> ModelRequest | None:
        """The request, smaller than the form of it that was refused; None when it cannot be."""


class _Whole:
    """Everything fits."""

    def fitted(self, request: ModelRequest) -> ModelRequest:
        return request

    def smaller(self, request: ModelRequest, refused: ModelRequest) -> ModelRequest | None:
        return None


@dataclass(kw_only=True, slots=True)
class ResilientModel:
    """A model port around another one, made for one run.

    When every endpoint fails, the failure of the first one is raised: it is the one configured. It
    is CircuitOpen when that one is left alone at present.
    """

    model: ModelPort
    #: Called once a turn, with the endpoint that gave the first output or ended without any.
    on_answering: Callable[[ModelEndpoint], None] = _ignore
    context: Context = field(default_factory=_Whole)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[float], float] = _spread

    async def respond(self, request: ModelRequest, sink: ModelSink) -> ModelResponse:
        """See ModelPort. Tries the endpoint, then each of its fallbacks, three times each; one that
        finds the context too long is asked once more, with a smaller one."""
        first_failure: ModelFailed | CircuitOpen | None = None
        for endpoint in (request.endpoint, *request.endpoint.fallbacks):
            heard = _FirstOutput(sink, endpoint, self.on_answering)
            try:
                return await self._fit(replace(request, endpoint=endpoint), heard)
            except (ModelFailed, CircuitOpen) as failure:
                if heard.began:
                    raise
                first_failure = first_failure or failure
                logger.warning("Model %s failed: %s", endpoint.model, failure.code)
        assert first_failure is not None  # noqa: S101 - the loop ran at least once
        raise first_failure

    async def _fit(self, request: ModelRequest, heard: _FirstOutput) -> ModelResponse:
        """Ask one endpoint within its window; once more when it finds that too much."""
        fitted = self.context.fitted(request)
        try:
            return await self._persist(fitted, heard)
        except ModelRefusedContext:
            smaller = None if heard.began else self.context.smaller(request, fitted)
            if smaller is None:
                raise
        return await self._persist(smaller, heard)

    async def _persist(self, request: ModelRequest, heard: _FirstOutput) -> ModelResponse:
        """Ask one endpoint, and again after a pause while that may help."""
        failed: ModelFailed | None = None
        for backoff_s in (*BACKOFF_S, None):
            try:
                return await self._ask(request, heard)
            except CircuitOpen:
                # It was these very attempts that it is left alone for: what they met is told.
                if failed is not None:
                    raise failed from None
                raise
            except ModelFailed as failure:
                pause_s = None if backoff_s is None else self._pause_s(failure, backoff_s)
                if heard.began or pause_s is None:
                    raise
                failed = failure
            await self.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    async def _ask(self, request: ModelRequest, heard: _FirstOutput) -> ModelResponse:
        response = await self.model.respond(request, heard)
        heard.begin()
        return response

    def _pause_s(self, failure: ModelFailed, backoff_s: float) -> float | None:
        """None when asking again cannot help soon."""
        if failure.permanent:
            return None
        asked_s = failure.retry_after_s or 0.0
        return None if asked_s > LONGEST_PAUSE_S else max(asked_s, self.jitter(backoff_s))


class _FirstOutput:
    """A sink that notices the first output and then steps aside."""

    def __init__(
        self, sink: ModelSink, endpoint: ModelEndpoint, tell: Callable[[ModelEndpoint], None]
    ) -> None:
        self.began = False
        self._sink, self._endpoint, self._tell = sink, endpoint, tell

    def begin(self) -> None:
        if not self.began:
            self.began = True
            self._tell(self._endpoint)

    def text(self, delta: str) -> None:
        self.begin()
        self._sink.text(delta)

    def reasoning(self, delta: str) -> None:
        self.begin()
        self._sink.reasoning(delta)
