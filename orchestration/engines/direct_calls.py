"""Calling the one tool that a job names: once, within its time, and in the log."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from django.db import InterfaceError, OperationalError, transaction

from orchestration.engines.attempts import attempts_made
from orchestration.engines.call_voice import CallVoice
from orchestration.execution.drive import HeldRun
from orchestration.intents.words import error_told
from orchestration.log.crashes import tool_crash
from orchestration.log.endings import error_event
from orchestration.page.sensitive import redact_members
from orchestration.services import effects
from orchestration.services.intent_runs import CALL_ID, result_checked
from taskmapr.core.errors import (
    OutcomeUnknown,
    TaskMaprError,
    TimedOut,
    ToolError,
    ToolFailed,
    UpstreamFailed,
)
from taskmapr.core.events import (
    ToolCompleted,
    ToolStarted,
    data_of,
)
from taskmapr.core.ports import StopRun
from taskmapr.core.tools import ToolContext, ToolSpec
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.http.retries import RetryPolicy, retry_after_s
from taskmapr.foundation.telemetry import metrics

logger = logging.getLogger(__name__)

#: When a tool is called again that could not reach what it works with.
RETRIES: Final = RetryPolicy()
#: What such a tool raises that knows none of our errors, beside TimeoutError.
_NETWORK_ERRORS: Final = (ConnectionError, socket.gaierror)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Receipt:
    """How an effect went, as the ledger keeps it."""

    result: Any = None
    error: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        told = self.error["message"] if self.error is not None else None
        return {
            "ok": self.error is None,
            "result": self.result,
            "error": told,
            "problem": dict(self.error) if self.error is not None else None,
        }

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> _Receipt:
        problem = stored.get("problem")
        return cls(result=stored.get("result"), error=problem)


class DirectCall:
    """One call of one tool, by the job of a run; no model is asked.

    A tool that could not reach what it works with is called again, at most three times in all and
    within its own time, if a second call does no harm: it only reads, or is idempotent. `repeats`:
    False when it does that itself.
    """

    def __init__(
        self,
        held: HeldRun,
        spec: ToolSpec,
        args: dict[str, Any],
        *,
        options: Mapping[str, Any] | None = None,
        repeats: bool = True,
    ) -> None:
        self._held, self._spec, self._args = held, spec, args
        self._options = options or {}
        self._voice = CallVoice(held)
        self._is_replayed = False
        only_reads = spec.danger == "read" and not spec.has_effect
        self._repeats = repeats and (only_reads or spec.is_idempotent)
        self._is_unreached = False
        self._cost_usd_micros: int | None = None

    async def result(self) -> Any:
        """What the tool gives. Raises its error, TimedOut, ToolFailed, or OutcomeUnknown when an
        earlier attempt was lost after it had begun and the tool must not be called twice."""
        self._start()
        begun = time.monotonic()
        try:
            result = await self._once()
        except TaskMaprError as error:
            self._complete(begun, error=error)
            raise
        finally:
            self._voice.is_over.set()
        self._complete(begun, result=result)
        if self._spec.has_effect:
            await self._held.writer.barrier()
        return result

    def _start(self) -> None:
        writer, spec = self._held.writer, self._spec
        if CALL_ID not in writer.state.open_calls:
            shown = redact_members(self._args)
            writer.append(ToolStarted(call_id=CALL_ID, tool=spec.name, args=shown))

    def _complete(
        self, begun: float, *, result: Any = None, error: TaskMaprError | None = None
    ) -> None:
        spec = self._spec
        self._held.writer.append(
            ToolCompleted(
                call_id=CALL_ID,
                tool=spec.name,
                ok=error is None,
                duration_ms=round((time.monotonic() - begun) * 1000),
                replayed=self._is_replayed,
                error=error.detail if error is not None else None,
                cost_usd_micros=self._cost_usd_micros,
            )
        )
        metrics.tool_counted(
            tool=spec.name,
            provider=spec.provider,
            ok=error is None,
            cost_usd_micros=self._cost_usd_micros,
        )

    # Once ----------------------------------------------------------------------------------------

    async def _once(self) -> Any:
        if not self._spec.has_effect:
            return await self._perform()
        # Everything that led to the effect is stored before it begins.
        await self._held.writer.barrier()
        if self._spec.in_transaction is not None:
            return self._settled(await in_database(self._in_transaction))
        entry = await in_database(self._begin)
        if entry.receipt is not None:
            self._is_replayed = True
            return self._settled(_Receipt.of(entry.receipt))
        receipt = await self._receipt()
        await in_database(self._settle, receipt)
        return self._settled(receipt)

    async def _receipt(self) -> _Receipt:
        """Performs the effect. Raises what leaves its outcome open: the ledger keeps `begun`."""
        try:
            return _Receipt(result=await self._perform())
        except (TimedOut, OutcomeUnknown, ToolFailed):
            raise
        except TaskMaprError as error:
            return _Receipt(error=data_of(error_event(error)))

    def _begin(self) -> effects.EffectEntry:
        begin = partial(
            effects.effect_begin,
            run_id=self._held.run_id,
            lease_token=self._held.claim.lease_token,
            call_id=CALL_ID,
            tool=self._spec.name,
            fingerprint=effects.fingerprint_of(self._spec.name, self._args),
        )
        entry = begin()
        if entry.state != "unknown":
            return entry
        if not self._spec.is_idempotent:
            raise OutcomeUnknown(
                f"{self._spec.name} was begun, and its worker stopped before the end."
            )
        return begin(again=True)

    def _settle(self, receipt: _Receipt) -> None:
        effects.effect_settle(
            run_id=self._held.run_id,
            lease_token=self._held.claim.lease_token,
            call_id=CALL_ID,
            receipt=receipt.as_json(),
        )

    @transaction.atomic
    def _in_transaction(self) -> _Receipt:
        """The effect and its receipt, both or neither."""
        entry = self._begin()
        if entry.receipt is not None:
            self._is_replayed = True
            return _Receipt.of(entry.receipt)
        assert self._spec.in_transaction is not None  # noqa: S101 - asked for before
        try:
            with transaction.atomic():
                receipt = _Receipt(result=self._checked(self._spec.in_transaction))
        except TaskMaprError as error:
            receipt = _Receipt(error=data_of(error_event(error)))
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            raise self._crashed(error) from None
        self._settle(receipt)
        return receipt

    def _settled(self, receipt: _Receipt) -> Any:
        if receipt.error is not None:
            raise error_told(receipt.error)
        return receipt.result

    # The call itself -----------------------------------------------------------------------------

    def _checked(self, call: Callable[[ToolContext, dict[str, Any]], Any]) -> Any:
        with self._charged():
            return result_checked(call(self._context(), self._args))

    @contextmanager
    def _charged(self) -> Iterator[None]:
        """A call that was made costs what it costs, however it ended; each attempt does."""
        begun = time.monotonic()
        try:
            yield
        finally:
            cost = self._spec.cost_of(time.monotonic() - begun)
            self._cost_usd_micros = (self._cost_usd_micros or 0) + cost or None

    async def _perform(self) -> Any:
        until = time.monotonic() + self._spec.timeout_s
        if not self._repeats:
            return await self._attempt(until)
        return await attempts_made(
            self._held,
            lambda: self._attempt(until),
            delay_s=lambda number, error: self._delay_s(number, error, until),
        )

    def _delay_s(self, number: int, error: TaskMaprError, until: float) -> float | None:
        """Seconds until the next attempt; None when there is none."""
        is_passing = error.retryable and isinstance(error, ToolError | UpstreamFailed)
        if not (is_passing or self._is_unreached):
            return None
        deadline_s = (self._held.claim.deadline_at - datetime.now(UTC)).total_seconds()
        return RETRIES.delay_s(
            number,
            left_s=min(until - time.monotonic(), deadline_s),
            retry_after_s=retry_after_s(error.headers.get("Retry-After")),
        )

    async def _attempt(self, until: float) -> Any:
        self._is_unreached = False
        with self._charged():
            return await self._answer(until - time.monotonic())

    async def _answer(self, left_s: float) -> Any:
        spec = self._spec
        try:
            async with asyncio.timeout(left_s) as limit:
                result = await spec.handler(self._context(), self._args)
        except TimeoutError:
            self._is_unreached = not limit.expired()
            if self._is_unreached:
                raise TimedOut(f"{spec.name} waited in vain for an answer.") from None
            raise TimedOut(f"{spec.name} took longer than {spec.timeout_s:g} s.") from None
        except (TaskMaprError, StopRun):
            raise
        except Exception as error:
            self._is_unreached = isinstance(error, _NETWORK_ERRORS)
            raise self._crashed(error) from None
        return result_checked(result)

    def _crashed(self, error: Exception) -> ToolFailed:
        """Tools come from many authors; what went wrong is for operators, not for callers. May be
        called in any thread."""
        logger.error("run %s: tool %s failed", self._held.run_id, self._spec.name, exc_info=error)
        self._voice.tell(tool_crash(error, call_id=CALL_ID, tool=self._spec.name))
        request_id = self._held.claim.request_id
        return ToolFailed("Tool failed", details={"request_id": request_id})

    def _context(self) -> ToolContext:
        claim = self._held.claim
        return ToolContext(
            run_id=str(claim.run_id),
            call_id=CALL_ID,
            user_id=str(claim.owner_id),
            session_id=None,
            options=self._options,
            request=claim.input,
            is_models_choice=False,
            progress=self._voice.progress,
            log=self._voice.log,
            is_cancelled=self._voice.is_over.is_set,
        )
