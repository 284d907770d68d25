"""Calling workflows over HTTP: attempts, their limits, and what an answer means."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import orjson

from agents_cfg.services.secrets import secret_read
from orchestration.services.flow_calls import (
    BegunCall,
    flow_call_begin,
    flow_call_forget,
    flow_call_wait,
)
from orchestration.services.webhook_secrets import secrets_of, signature_headers
from orchestration.targets.flows import (
    FlowTarget,
    flow_auth,
    flow_body,
    flow_url,
    resume_url,
)
from taskmapr.core.errors import (
    AddressNotAllowed,
    CircuitOpen,
    NotConfigured,
    TaskMaprError,
    TimedOut,
    UpstreamError,
)
from taskmapr.core.events import ApprovalRequested
from taskmapr.foundation.aio import in_database
from taskmapr.foundation.http.breakers import circuit
from taskmapr.foundation.http.exchange import Answer, guarded_request
from taskmapr.foundation.http.guard import EgressPolicy
from taskmapr.foundation.http.retries import RetryPolicy, is_retried, retry_after_s

logger = logging.getLogger(__name__)

#: Longest answer of a workflow in bytes.
ANSWER_BYTES: Final = 5 * 1024 * 1024
_RETRIES: Final = RetryPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAttempt:
    """An attempt that failed. `delay_s`: until the next one; None: there is none."""

    number: int
    error: TaskMaprError
    delay_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """What a call is told about the run that makes it."""

    #: When the run's working time ends: no attempt begins after it.
    deadline_at: datetime
    #: Hears of each attempt that failed, before anything follows.
    attempt_failed: Callable[[CallAttempt], None] = lambda attempt: None

    @property
    def left_s(self) -> float:
        return (self.deadline_at - datetime.now(UTC)).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowWait:
    """The workflow took the work. Append `event()`, then raise Paused: the next attempt of the run
    makes the same call again and gets the answer, or TimedOut."""

    approval_id: UUID
    expires_at: datetime
    service: str

    def event(self) -> ApprovalRequested:
        return ApprovalRequested(
            approval_id=str(self.approval_id),
            asks="question",
            of="flow",
            expires_at=self.expires_at.isoformat(),
            tool=self.service,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowAnswer:
    """What the workflow answered, or that it will."""

    result: Any = None
    wait: FlowWait | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    url: str
    method: str
    job_id: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    policy: EgressPolicy
    signing: list[str] = field(repr=False)

    def signed_headers(self) -> dict[str, str]:
        """Signed anew for each attempt: the time is part of it."""
        if not self.signing:
            return dict(self.headers)
        message_id = "msg_" + self.job_id.removeprefix("job_")
        return {
            **self.headers,
            **signature_headers(message_id=message_id, body=self.body, secrets=self.signing),
        }


class _Failed(Exception):
    """An attempt failed. `is_known`: how it went is certain; `may_repeat`: whatever the mapping
    says, the engine has done nothing yet."""

    def __init__(
        self,
        error: TaskMaprError,
        *,
        is_known: bool = True,
        may_repeat: bool = False,
        never_repeat: bool = False,
        after_s: float | None = None,
    ) -> None:
        super().__init__(error.detail)
        self.error, self.is_known, self.after_s = error, is_known, after_s
        self.may_repeat, self.never_repeat = may_repeat, never_repeat


async def flow_call(
    flow: FlowTarget,
    *,
    job_id: str,
    intent: str,
    inputs: Mapping[str, Any],
    context: Mapping[str, Any] | None,
    user_id: str,
    ctx: CallContext,
) -> FlowAnswer:
    """Have the workflow do the work, within its own limit and that of the run.

    Every attempt of one run makes this call; the work is handed over once, and again only when the
    engine received nothing or the mapping allows it. Raises NotConfigured, CircuitOpen, TimedOut,
    UpstreamError, and OutcomeUnknown when an earlier attempt of the run was lost in the middle.
    """
    url = flow_url(flow, intent)
    run_id = UUID(hex=job_id.removeprefix("job_"))
    limit_s = min(flow.timeout_s, ctx.left_s)
    begun, keys = await in_database(_begin, flow, run_id, UUID(user_id), limit_s)
    if begun.state != "send":
        return _later(flow, begun)
    body = flow_body(
        job_id=job_id,
        intent=intent,
        inputs=inputs,
        context=context,
        user_id=user_id,
        callback_url=resume_url(job_id, begun.token),
    )
    request = _request(flow, url, job_id, orjson.dumps(body), keys)
    try:
        answer = await _attempts(flow, request, job_id, limit_s, ctx)
    except _Failed as failed:
        if failed.is_known:
            await in_database(flow_call_forget, run_id=run_id)
        raise failed.error from None
    if not flow.is_synchronous or _is_accepted(answer):
        return _later(flow, await in_database(flow_call_wait, run_id=run_id, tool=flow.service))
    return FlowAnswer(result=answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """What a call shows: the secret that its flow names, and what signs for its user."""

    secret: str = field(default="", repr=False)
    signing: list[str] = field(default_factory=list, repr=False)


def _begin(
    flow: FlowTarget, run_id: UUID, owner_id: UUID, limit_s: float
) -> tuple[BegunCall, _Keys]:
    # A secret that is missing must not leave a call behind that looks sent.
    secret = secret_read(flow.secret) if flow.secret else ""
    begun = flow_call_begin(run_id=run_id, limit_s=limit_s, may_repeat=flow.is_retry_safe)
    if begun.state != "send":
        return begun, _Keys()
    return begun, _Keys(secret=secret, signing=_signing(owner_id))


def _signing(owner_id: UUID) -> list[str]:
    """Engines know us by their header; a signature is more than that, where one can be made."""
    try:
        return secrets_of(owner_id)
    except NotConfigured:
        return []


def _later(flow: FlowTarget, begun: BegunCall) -> FlowAnswer:
    if begun.state == "answered":
        return FlowAnswer(result=begun.answer)
    assert begun.approval_id is not None  # noqa: S101 - a call that waits has both
    assert begun.expires_at is not None  # noqa: S101
    return FlowAnswer(
        wait=FlowWait(
            approval_id=begun.approval_id, expires_at=begun.expires_at, service=flow.service
        )
    )


def _is_accepted(answer: Any) -> bool:
    return isinstance(answer, dict) and answer.get("accepted") is True


def _request(flow: FlowTarget, url: str, job_id: str, body: bytes, keys: _Keys) -> _Request:
    return _Request(
        url=url,
        method=flow.method,
        job_id=job_id,
        body=body,
        policy=_operators_policy(url),
        signing=keys.signing,
        headers={
            "Content-Type": "application/json",
            "Accept": "application/json, text/*;q=0.9",
            "Idempotency-Key": job_id,
            "X-TaskMapr-Job-Id": job_id,
            **flow_auth(flow, keys.secret),
        },
    )


@lru_cache(maxsize=256)
def _operators_policy(url: str) -> EgressPolicy:
    """The host that an operator named may be anywhere, and no other host may be contacted."""
    host = urlsplit(url).hostname or ""
    rule = f"[{host}]:*" if ":" in host else f"{host}:*"
    return EgressPolicy.of([rule], [rule])


# Attempts ----------------------------------------------------------------------------------------


async def _attempts(
    flow: FlowTarget, request: _Request, job_id: str, limit_s: float, ctx: CallContext
) -> Any:
    """The answer of the first attempt that succeeds. Raises _Failed of the last one."""
    clock = asyncio.get_running_loop().time
    until, number = clock() + limit_s, 0
    while True:
        number += 1
        logger.info("job %s: %s, attempt %d", job_id, flow.service, number)
        try:
            return await _attempt(flow, request, until - clock())
        except _Failed as failed:
            delay_s = None
            if failed.may_repeat or (flow.is_retry_safe and not failed.never_repeat):
                delay_s = _RETRIES.delay_s(
                    number, left_s=until - clock(), retry_after_s=failed.after_s
                )
            ctx.attempt_failed(CallAttempt(number=number, error=failed.error, delay_s=delay_s))
            logger.warning(
                "job %s: %s, attempt %d: %s; next in %s s",
                job_id,
                flow.service,
                number,
                failed.error.code,
                delay_s,
            )
            if delay_s is None:
                raise
            await asyncio.sleep(delay_s)


async def _attempt(flow: FlowTarget, request: _Request, left_s: float) -> Any:
    if left_s <= 0:
        raise _Failed(TimedOut("The workflow did not answer in time."), never_repeat=True)
    try:
        async with circuit(flow.service, within_s=left_s) as guarded:
            answer = await guarded_request(
                request.method,
                request.url,
                policy=request.policy,
                deadline_s=left_s,
                headers=request.signed_headers(),
                body=request.body,
                answer_bytes=ANSWER_BYTES,
            )
            if answer.status >= 500:
                guarded.failed()
    except CircuitOpen as error:
        raise _Failed(error, never_repeat=True) from None
    except AddressNotAllowed as error:
        bad = NotConfigured(f"The address of {flow.service} cannot be used: {error.detail}")
        raise _Failed(bad, never_repeat=True) from None
    except TimedOut as error:
        late = TimedOut(f"{flow.service} did not answer within {flow.timeout_s:g} s.")
        raise _Failed(late, is_known=not error.details.get("sent"), never_repeat=True) from None
    except UpstreamError as error:
        raise _broken(flow, error) from None
    return _read(flow, answer)


def _broken(flow: FlowTarget, error: UpstreamError) -> _Failed:
    """The connection failed, before or after the engine may have received something."""
    if not error.details.get("sent"):
        return _Failed(UpstreamError(f"{flow.service}: {error.detail}"), may_repeat=True)
    unknown = UpstreamError(f"{flow.service}: {error.detail} Whether the workflow ran is unknown.")
    return _Failed(unknown, is_known=False)


def _read(flow: FlowTarget, answer: Answer) -> Any:
    """What a whole answer means. Raises _Failed."""
    status = answer.status
    if not 200 <= status < 300:
        after_s = retry_after_s(answer.headers.get("retry-after"))
        raise _Failed(
            UpstreamError(_refusal(flow, status), details={"status": status}),
            # It was received, and refused before anything was done.
            may_repeat=is_retried(status) and status < 500,
            never_repeat=not is_retried(status),
            after_s=after_s,
        )
    if answer.is_cut:
        raise _Failed(
            UpstreamError(f"{flow.service} answered more than {ANSWER_BYTES >> 20} MiB."),
            never_repeat=True,
        )
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not (kind.endswith(("/json", "+json"))):
        return {"text": answer.text}
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise _Failed(
            UpstreamError(f"{flow.service} answered something that is not the JSON it claims."),
            never_repeat=True,
        ) from None


def _refusal(flow: FlowTarget, status: int) -> str:
    hint = ""
    if status == 404:
        hint = " Is the workflow active, and its path right?"
    if 300 <= status < 400:
        hint = " Redirects are not followed."
    return f"{flow.service} answered {status}.{hint}"
