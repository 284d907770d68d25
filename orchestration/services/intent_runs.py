"""From an intent to a job: chosen, permitted, counted once, begun."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final
from uuid import UUID

import orjson
from django.conf import settings

from orchestration.dialects.orchestrate import JobFacts, Outcome
from orchestration.intents.canonical import digest, intent_digest
from orchestration.intents.modes import Chosen, rules_for
from orchestration.intents.names import job_id_of
from orchestration.intents.request import IntentRequest
from orchestration.intents.words import SHOWN
from orchestration.models.idempotency_key import KeyKind
from orchestration.page.sensitive import redact_members
from orchestration.selectors.intents import (
    Caller,
    Work,
    intent_choose,
    intent_work,
    rules_known,
)
from orchestration.services.deliveries import delivery_register
from orchestration.services.idempotency import Once, RunRepeated
from orchestration.services.intent_repeats import Earlier, earlier_find
from orchestration.services.run_record import OwnCall, RecordedRun, run_record
from orchestration.services.run_start import NewRun, StartedRun, run_start
from orchestration.services.webhook_secrets import server_secret_ensure
from taskmapr.core import wired
from taskmapr.core.errors import IdempotencyKeyReused, InvalidInput, ToolFailed, TooMany
from taskmapr.core.events import Event
from taskmapr.core.ports import Sealer
from taskmapr.core.run_kinds import INTENT
from taskmapr.core.tools import ToolContext, ToolSpec
from taskmapr.foundation.allowances import allowance_take
from taskmapr.foundation.telemetry import metrics

logger = logging.getLogger(__name__)

#: Bytes of JSON that a tool may answer.
RESULT_BYTES: Final = 1024 * 1024
#: Seconds for which a key that the client chose is known.
HEADER_KEY_LIFE_S: Final = 24 * 3600
#: The call of a job that calls one tool.
CALL_ID: Final = "call-1"
#: Attempts of a tool, and seconds around them.
_ATTEMPTS: Final = 3
_ROOM_S: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request with what its doorway knows of it."""

    run_id: UUID
    caller: Caller
    request: IntentRequest
    request_id: str = ""
    #: What the client sent to know repeats by, and the path for which that counts.
    idempotency_key: str | None = None
    path: str = "/orchestrate"
    #: The client does not want to be answered by an equal request.
    is_fresh: bool = False

    @cached_property
    def chosen(self) -> Chosen:
        return intent_choose(self.request.intent, self.request.mode, self.caller)

    @cached_property
    def once(self) -> Once | None:
        """By what a repeat is known: the client's key, else that it asks for the same."""
        request = self.request
        if self.idempotency_key is not None:
            asked_for = [request.intent, request.inputs, request.mode]
            return Once(
                key=f" {self.path} {self.idempotency_key}",
                kind=KeyKind.HEADER,
                fingerprint=digest(asked_for),
                life_s=HEADER_KEY_LIFE_S,
            )
        if self.is_fresh:
            return None
        same = intent_digest(request.intent, request.inputs)
        return Once(
            key=f" intent {same}",
            kind=KeyKind.EQUAL,
            fingerprint=same,
            life_s=settings.TASKMAPR["idempotency_ttl_s"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The job is over: done within the request, or by an earlier one (`is_repeat`)."""

    facts: JobFacts
    outcome: Outcome
    is_repeat: bool = False
    #: Opens the log of an earlier request's job.
    sealer: Sealer | None = None
    #: All of its log, if this request wrote it.
    events: list[Event] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """An earlier request's job goes on."""

    facts: JobFacts
    sealer: Sealer | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A job that nothing forbids, not yet begun. `is_slow`: not worth waiting for."""

    facts: JobFacts
    new: NewRun
    is_slow: bool = False


def intent_prepare(asked: Asked) -> Finished | UnderWay | Ready:
    """Find out what is to be done; what touches only our own database is done at once.

    Raises UnknownIntent, IntentForbidden, ModeNotSupported, AmbiguousIntent, InvalidInput,
    IdempotencyKeyReused, TooMany and what the policy raises; nothing was begun then.
    """
    work = intent_work(asked.chosen, asked.caller)
    spec = work.spec
    once, earlier = asked.once, None
    if once is not None:
        earlier = earlier_find(owner_id=asked.caller.user.pk, key=once.key)
        if earlier is not None:
            if told := _told_by(earlier, once, spec):
                return told
            once = replace(once, replaces=earlier.facts.run_id)
    _check_inputs(spec, asked.request)
    _check_rate(asked)
    if asked.request.callback_url is not None:
        # Who cannot sign a callback says so before anything is begun.
        server_secret_ensure()
    new = _new_run(asked, work, once)
    facts = JobFacts(run_id=new.run_id, intent=new.subject, mode=new.mode)
    if asked.chosen.mode == "agent" and spec.in_transaction is not None:
        return _recorded(asked, spec, new, facts)
    return Ready(facts=facts, new=new, is_slow=work.is_slow)


def intent_start(ready: Ready) -> tuple[StartedRun, Sealer] | UnderWay | Finished:
    """Begin the job; an equal request may have been faster by now.

    Raises QueueUnavailable and TooMany; no job is left open then.
    """
    new = ready.new
    try:
        started = run_start(new)
    except RunRepeated:
        return _after_twin(new)
    _log_accepted(new)
    return started, wired.ports().sealers.for_user(new.owner_id)


def callback_add(asked: Asked, run_id: UUID) -> None:
    """A repeat may name another address: the job's end is told there as well."""
    if asked.request.callback_url is not None:
        delivery_register(run_id=run_id, url=asked.request.callback_url)


def _told_by(earlier: Earlier, once: Once, spec: ToolSpec) -> Finished | UnderWay | None:
    """The answer that an earlier request gives; None: it does not count any more."""
    if earlier.fingerprint != once.fingerprint:
        # What `spec` says of itself says nothing of the earlier request's tool.
        if earlier.counts(is_volatile=False):
            raise IdempotencyKeyReused
        return None
    return _answered(earlier) if earlier.counts(is_volatile=spec.volatile) else None


def _answered(earlier: Earlier) -> Finished | UnderWay:
    if not earlier.outcome.is_final:
        return UnderWay(facts=earlier.facts, sealer=earlier.sealer)
    metrics.intent_replayed()
    return Finished(
        facts=earlier.facts, outcome=earlier.outcome, is_repeat=True, sealer=earlier.sealer
    )


def _after_twin(new: NewRun) -> UnderWay | Finished:
    """What came of the equal request that was faster."""
    assert new.once is not None  # noqa: S101 - only then RunRepeated is raised
    twin = earlier_find(owner_id=new.owner_id, key=new.once.key)
    if twin is None:
        raise TooMany("An equal request was made a moment ago.", retry_after_s=1)
    return _answered(twin)


def _check_inputs(spec: ToolSpec, request: IntentRequest) -> None:
    try:
        spec.check(dict(request.inputs))
    except InvalidInput as error:
        fields = error.details.get("fields", [])
        raise InvalidInput.of(*((_below(f["path"]), f["message"]) for f in fields)) from None


def _below(path: str) -> str:
    return "inputs" if path == "arguments" else f"inputs.{path}"


def _check_rate(asked: Asked) -> None:
    """The limit that a rule sets for such intents; that of the principal is counted before."""
    caller, intent = asked.caller, asked.request.intent
    rules = rules_for(intent, rules_known(), user_id=caller.user_id)
    rule = next((rule for rule in rules if rule.per_minute), None)
    if rule is None or rule.per_minute is None:
        return
    standing = allowance_take(f"{caller.ref}:intents:{rule.pattern}", rule.per_minute)
    if standing is not None and not standing.is_allowed:
        raise TooMany(
            f"{rule.per_minute} calls of {rule.pattern} a minute are allowed.",
            retry_after_s=standing.reset_s,
        )


def _new_run(asked: Asked, work: Work, once: Once | None) -> NewRun:
    request, chosen, caller = asked.request, asked.chosen, asked.caller
    return NewRun(
        run_id=asked.run_id,
        kind=INTENT.name,
        owner_id=caller.user.pk,
        session_id=None,
        input={
            "intent": request.intent,
            "target": chosen.target,
            "inputs": dict(request.inputs),
            "context": dict(request.context) if request.context is not None else None,
            "callback_url": request.callback_url,
            # What the credential may be used for: a model that the job asks may do no more.
            "patterns": list(caller.patterns) if caller.patterns is not None else None,
            # A change of the workflow does not reach jobs that have begun.
            "flow": work.flow.as_json() if work.flow is not None else None,
        },
        queue=work.queue,
        request_id=asked.request_id,
        once=once,
        subject=request.intent,
        mode=chosen.mode,
        mode_reason=chosen.reason,
        credential=caller.ref,
        timeout_s=max(
            float(settings.TASKMAPR["run_timeout_s"]), work.spec.timeout_s * _ATTEMPTS + _ROOM_S
        ),
        cost_usd_micros=work.spec.cost_of(work.spec.timeout_s),
        most_open=settings.TASKMAPR["intent_jobs_at_once"],
        callback_url=request.callback_url,
    )


# Done within the request -------------------------------------------------------------------------


def _recorded(asked: Asked, spec: ToolSpec, new: NewRun, facts: JobFacts) -> Finished | UnderWay:
    call = OwnCall(
        call_id=CALL_ID,
        tool=spec.name,
        args=redact_members(dict(asked.request.inputs)),
        perform=lambda: _performed(spec, asked),
        cost_of=spec.cost_of,
    )
    is_client_key = new.once is not None and new.once.kind == KeyKind.HEADER
    try:
        recorded = run_record(new, call, keeps_key=is_client_key)
    except RunRepeated:
        return _after_twin(new)
    outcome = Outcome().feed_all(recorded.events)
    _log_recorded(new, recorded, outcome)
    return Finished(facts=facts, outcome=outcome, events=recorded.events)


def _performed(spec: ToolSpec, asked: Asked) -> Any:
    assert spec.in_transaction is not None  # noqa: S101 - asked for before
    context = ToolContext(
        run_id=str(asked.run_id),
        call_id=CALL_ID,
        user_id=asked.caller.user_id,
        session_id=None,
        is_models_choice=False,
    )
    return result_checked(spec.in_transaction(context, dict(asked.request.inputs)))


def result_checked(result: Any) -> Any:
    """The same. Raises ToolFailed for what is no JSON, or more of it than a job keeps."""
    try:
        size = len(orjson.dumps(result))
    except TypeError:
        raise ToolFailed("The tool's answer is no JSON.") from None
    if size > RESULT_BYTES:
        raise ToolFailed(f"The tool's answer is larger than {RESULT_BYTES} bytes.")
    return result


# Told to operators -------------------------------------------------------------------------------


def _log_accepted(new: NewRun, then: str = "") -> None:
    """One line for each job: writing it costs as much as a tenth of a short job."""
    job_id = job_id_of(new.run_id)
    logger.info(
        "[TaskMapr] Intent accepted: %s %s for user %s, mode %s (%s)%s",
        job_id,
        new.subject,
        new.owner_id,
        new.mode,
        new.mode_reason,
        then,
    )
    if logger.isEnabledFor(logging.DEBUG):
        inputs: Mapping[str, Any] = new.input["inputs"]
        logger.debug("[TaskMapr] %s: inputs %s", job_id, redact_members(dict(inputs)))


def _log_recorded(new: NewRun, recorded: RecordedRun, outcome: Outcome) -> None:
    duration_ms = recorded.duration_ms
    _log_accepted(new, f": {outcome.status} after {duration_ms} ms")
    metrics.intent_ended(
        intent=new.subject, mode=new.mode, status=SHOWN[outcome.status], seconds=duration_ms / 1000
    )
