"""Calling tools for a model: checked, permitted, once, and in the log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import orjson

from orchestration.execution.drive import HeldRun, Paused
from orchestration.log.crashes import tool_crash
from orchestration.log.transcript import tool_output
from orchestration.models.approval import ApprovalAsks
from orchestration.page.sensitive import redact_members
from orchestration.services import effects, pausing
from taskmapr.core.errors import InvalidInput, LeaseLost, OutcomeUnknown, TaskMaprError
from taskmapr.core.events import ApprovalRequested, Event, ToolCompleted, ToolStarted
from taskmapr.core.ports import StopRun, ToolCallRequest
from taskmapr.core.timestamps import timestamp_of
from taskmapr.core.tools import ToolContext, ToolSpec
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.telemetry import metrics

logger = logging.getLogger(__name__)

Asks = Literal["approval", "outcome"]
#: Makes the trusted context of one call.
ContextFor = Callable[[str], ToolContext]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a call ended, as the model and the log see it."""

    ok: bool
    result: Any = None
    error: str | None = None
    replayed: bool = False
    #: Of the call that was made for it. An answer from a receipt costs nothing.
    cost_usd_micros: int | None = None

    def receipt(self) -> dict[str, Any]:
        return {"ok": self.ok, "result": self.result, "error": self.error}


class ToolCaller:
    """Carries out the tool calls of one run: the `invoke` of an agent loop."""

    def __init__(self, held: HeldRun, context_for: ContextFor) -> None:
        self._held = held
        self._context_for = context_for
        self._decisions = _decisions(held.claim.events)

    async def __call__(self, call: ToolCallRequest, spec: ToolSpec | None) -> str:
        """The text that the model reads. Raises Paused when a person must say something first."""
        name = spec.name if spec is not None else call.name
        writer = self._held.writer
        args = _arguments(call.arguments)
        if call.call_id not in writer.state.open_calls:
            shown = redact_members(args) if isinstance(args, dict) else {}
            started = ToolStarted(
                call_id=call.call_id, tool=name, step=writer.state.steps, args=shown
            )
            writer.append(started)
            # What is sealed in the log must not stand in the clear in another one.
            told = "sealed" if self._held.claim.sealer else orjson.dumps(shown).decode()[:200]
            logger.info("[TaskMapr] Tool call: %s(%s)", name, told)
        begun = time.monotonic()
        outcome = await self._outcome(call, spec, args)
        writer.append(
            ToolCompleted(
                call_id=call.call_id,
                tool=name,
                ok=outcome.ok,
                duration_ms=round((time.monotonic() - begun) * 1000),
                replayed=outcome.replayed,
                result=outcome.result,
                error=outcome.error,
                cost_usd_micros=outcome.cost_usd_micros,
            )
        )
        _counted(spec, outcome)
        if spec is not None and spec.has_effect:
            await writer.barrier()
        return tool_output(outcome.ok, outcome.result, outcome.error)

    async def _outcome(self, call: ToolCallRequest, spec: ToolSpec | None, args: Any) -> Outcome:
        if spec is None:
            return Outcome(ok=False, error=f"There is no tool {call.name}.")
        try:
            if not isinstance(args, dict):
                raise InvalidInput("The arguments must be one JSON object.")  # noqa: TRY301
            spec.check(args)
        except InvalidInput as error:
            return Outcome(ok=False, error=error.detail)
        fingerprint = effects.fingerprint_of(spec.name, args)
        if spec.needs_approval or spec.danger == "dangerous":
            decision = await self._decision("approval", call, spec, args, fingerprint)
            if decision != "approved":
                return Outcome(ok=False, error=_REFUSED.get(decision, _REFUSED["denied"]))
        if spec.has_effect:
            return await self._once(call, spec, args, fingerprint)
        return await self._perform(call, spec, args)

    async def _once(
        self, call: ToolCallRequest, spec: ToolSpec, args: dict[str, Any], fingerprint: str
    ) -> Outcome:
        """Perform an effect that no earlier attempt performed; answer from its receipt
        otherwise."""
        # Everything that led to the effect is stored before it begins.
        await self._held.writer.barrier()
        entry = await self._begin(call, spec, fingerprint)
        if entry.state == "unknown":
            decision = await self._decision("outcome", call, spec, args, fingerprint)
            if decision == "expired":
                return Outcome(ok=False, error=_REFUSED["unknown"])
            if decision == "happened":
                outcome = Outcome(ok=True, result={"confirmed_by_person": True}, replayed=True)
                await self._settle(call, outcome)
                return outcome
            entry = await self._begin(call, spec, fingerprint, again=True)
        if entry.receipt is not None:
            return Outcome(**entry.receipt, replayed=True)
        try:
            outcome = await self._perform(call, spec, args)
        except OutcomeUnknown as unknown:
            # The ledger keeps `begun`. What a person said was about the attempt before this one.
            logger.warning("tool %s: outcome unknown: %s", spec.name, unknown.detail)
            prompt = _PROMPTS["unanswered"].format(tool=spec.name, why=unknown.detail)
            raise await self._asked("outcome", call, spec, args, prompt) from None
        await self._settle(call, outcome)
        return outcome

    async def _begin(
        self, call: ToolCallRequest, spec: ToolSpec, fingerprint: str, *, again: bool = False
    ) -> effects.EffectEntry:
        return await in_database(
            partial(
                effects.effect_begin,
                run_id=self._held.run_id,
                lease_token=self._held.claim.lease_token,
                call_id=call.call_id,
                tool=spec.name,
                fingerprint=fingerprint,
                again=again,
            )
        )

    async def _settle(self, call: ToolCallRequest, outcome: Outcome) -> None:
        await in_database(
            partial(
                effects.effect_settle,
                run_id=self._held.run_id,
                lease_token=self._held.claim.lease_token,
                call_id=call.call_id,
                receipt=outcome.receipt(),
            )
        )

    async def _perform(
        self, call: ToolCallRequest, spec: ToolSpec, args: dict[str, Any]
    ) -> Outcome:
        """Raises OutcomeUnknown when the tool has an effect and did not say how it went."""
        begun = time.monotonic()
        outcome = await self._answered(call, spec, args)
        cost = spec.cost_of(time.monotonic() - begun)
        return replace(outcome, cost_usd_micros=cost) if cost else outcome

    async def _answered(
        self, call: ToolCallRequest, spec: ToolSpec, args: dict[str, Any]
    ) -> Outcome:
        try:
            async with asyncio.timeout(spec.timeout_s):
                result = await spec.handler(self._context_for(call.call_id), args)
        except TimeoutError:
            return _unanswered(spec, f"The tool took longer than {spec.timeout_s:g} s.")
        except (StopRun, LeaseLost):
            raise
        except OutcomeUnknown as error:
            return _unanswered(spec, error.detail)
        except TaskMaprError as error:
            return Outcome(ok=False, error=error.detail)
        except Exception as error:
            # Tools come from many authors; a broken one must not break the run that called it.
            logger.exception("tool %s failed", spec.name)
            crash = tool_crash(error, call_id=call.call_id, tool=spec.name)
            self._held.writer.append(crash)
            return _unanswered(spec, "The tool failed unexpectedly.")
        return Outcome(ok=True, result=result)

    async def _decision(
        self, asks: Asks, call: ToolCallRequest, spec: ToolSpec, args: Any, fingerprint: str
    ) -> str:
        """What a person decided about exactly this action; asks and pauses the run if nobody
        did."""
        given: Mapping[str, Any] | None = self._decisions.get((asks, call.call_id))
        if given is not None and given.get("fingerprint") == fingerprint:
            return str(given["decision"])
        prompt = _PROMPTS[asks].format(tool=spec.name)
        raise await self._asked(asks, call, spec, args, prompt)

    async def _asked(
        self, asks: Asks, call: ToolCallRequest, spec: ToolSpec, args: Any, prompt: str
    ) -> Paused:
        """A person is asked; what is raised to leave the run until the answer is there."""
        fingerprint = effects.fingerprint_of(spec.name, args)
        approval = await in_database(
            partial(
                pausing.approval_open,
                run_id=self._held.run_id,
                asks=ApprovalAsks(asks),
                question={"prompt": prompt, "args": redact_members(args)},
                call_id=call.call_id,
                tool=spec.name,
                fingerprint=fingerprint,
            )
        )
        self._held.writer.append(
            ApprovalRequested(
                approval_id=str(approval.pk),
                asks=asks,
                expires_at=timestamp_of(approval.expires_at),
                fingerprint=fingerprint,
                call_id=call.call_id,
                tool=spec.name,
                prompt=prompt,
                args=redact_members(args),
            )
        )
        return Paused(spec.name)


_PROMPTS = {
    "approval": "May {tool} be called with these arguments?",
    "outcome": "{tool} was begun, and its worker stopped before the end. Did it happen?",
    "unanswered": "{tool} was begun, and nobody knows how it ended. {why} Did it happen?",
}

_REFUSED = {
    "denied": "A person refused this call.",
    "expired": "Nobody permitted this call in time.",
    "unknown": "It is unknown whether this call took effect. It was not repeated.",
}


def _unanswered(spec: ToolSpec, why: str) -> Outcome:
    """The end of a call whose tool did not say how it went."""
    if spec.has_effect:
        raise OutcomeUnknown(why)
    return Outcome(ok=False, error=why)


def _counted(spec: ToolSpec | None, outcome: Outcome) -> None:
    tool, provider = (spec.name, spec.provider) if spec is not None else ("unknown", "unknown")
    metrics.tool_counted(
        tool=tool, provider=provider, ok=outcome.ok, cost_usd_micros=outcome.cost_usd_micros
    )


def _arguments(text: str) -> Any:
    try:
        return orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return None


def _decisions(events: Iterable[Event]) -> dict[tuple[str, str | None], Mapping[str, Any]]:
    """What people decided so far, by what was asked and about which call.

    What they said about an effect's outcome holds for the one attempt that begins with it: if that
    attempt is lost as well, nobody knows again.
    """
    asked: dict[str, str] = {}
    decided: dict[tuple[str, str | None], Mapping[str, Any]] = {}
    for event in events:
        if event.kind == "approval.requested":
            asked[event.data["approval_id"]] = event.data["asks"]
        elif event.kind == "approval.resolved":
            decided[asked[event.data["approval_id"]], event.data.get("call_id")] = event.data
        elif event.kind == "run.started":
            decided = {about: said for about, said in decided.items() if about[0] != "outcome"}
    return decided
