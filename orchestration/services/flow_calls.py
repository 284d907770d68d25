"""Calls of workflows, written down before they are sent."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from django.db import connection, transaction

from orchestration.log.unheld import run_lock
from orchestration.models import Approval, FlowCall, Run
from orchestration.models.approval import ApprovalAsks, ApprovalStatus
from orchestration.models.flow_call import FlowCallState
from orchestration.services.pausing import approval_open
from taskmapr.core import wired
from taskmapr.core.errors import OutcomeUnknown, TimedOut
from taskmapr.foundation.postgres.clock import database_now


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunCall:
    """`send`: send it, with this token. `waiting`: it was sent, and its answer comes later.
    `answered`: here it is."""

    state: Literal["send", "waiting", "answered"]
    token: str = ""
    answer: Any = None
    approval_id: UUID | None = None
    expires_at: datetime | None = None


_BEGIN: Final = """
INSERT INTO agent_flow_calls (run_id, token_hash, expires_at)
VALUES (%(run)s, %(hash)s, now() + make_interval(secs => %(limit)s))
ON CONFLICT (run_id) DO NOTHING RETURNING expires_at
"""


def flow_call_begin(*, run_id: UUID, limit_s: float, may_repeat: bool) -> BegunCall:
    """Write down that a workflow is about to be called. One statement, the first time.

    A later attempt of the run finds what became of the first call. Raises TimedOut when its time is
    over, and OutcomeUnknown when it was sent, nobody knows how it went, and it may not be repeated.
    """
    token = secrets.token_urlsafe(32)
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN, {"run": run_id, "limit": limit_s, "hash": token_hash(token)})
        row = cursor.fetchone()
    if row is not None:
        return BegunCall(state="send", token=token, expires_at=row[0])
    return _begun_before(run_id, token, limit_s, may_repeat)


@transaction.atomic
def _begun_before(run_id: UUID, token: str, limit_s: float, may_repeat: bool) -> BegunCall:
    run, call = flow_call_for_update(run_id)
    if call.state == FlowCallState.ANSWERED:
        return BegunCall(state="answered", answer=_opened(call, run))
    if call.state == FlowCallState.WAITING:
        return _waiting(call)
    if not may_repeat:
        raise OutcomeUnknown(
            "The workflow was called before, and nobody knows whether it took effect."
        )
    call.token_hash, now = token_hash(token), database_now()
    call.sent_at, call.expires_at = now, now + timedelta(seconds=limit_s)
    call.save(update_fields=["token_hash", "sent_at", "expires_at"])
    return BegunCall(state="send", token=token, expires_at=call.expires_at)


def _waiting(call: FlowCall) -> BegunCall:
    approval = approval_of(call)
    is_open = approval is not None and approval.status == ApprovalStatus.OPEN
    if approval is None or not is_open or call.expires_at <= database_now():
        raise TimedOut("The workflow did not answer in time.")
    return BegunCall(state="waiting", approval_id=call.approval_id, expires_at=approval.expires_at)


@transaction.atomic
def flow_call_wait(*, run_id: UUID, tool: str) -> BegunCall:
    """The engine took the work: from now on the run may pause for its answer.

    `answered` when that was there before this. `tool`: the name of the service, for people.
    """
    run, call = flow_call_for_update(run_id)
    if call.state == FlowCallState.ANSWERED:
        return BegunCall(state="answered", answer=_opened(call, run))
    approval = approval_open(
        run_id=run_id,
        asks=ApprovalAsks.FLOW,
        question={},
        tool=tool[:120],
        wait=call.expires_at - database_now(),
    )
    call.state, call.approval_id = FlowCallState.WAITING, approval.pk
    call.save(update_fields=["state", "approval_id"])
    return BegunCall(state="waiting", approval_id=approval.pk, expires_at=approval.expires_at)


def flow_call_forget(*, run_id: UUID) -> None:
    """It is known how the call failed: another attempt may begin anew, and nobody may answer."""
    FlowCall.objects.filter(run_id=run_id, state=FlowCallState.SENT).delete()


def flow_call_for_update(run_id: UUID) -> tuple[Run, FlowCall]:
    """Both rows locked, the run's before the call's. Raises RunNotFound, FlowCall.DoesNotExist."""
    run = run_lock(run_id)
    return run, FlowCall.objects.select_for_update().get(pk=run_id)


def approval_of(call: FlowCall) -> Approval | None:
    """The question that the paused run waits for, locked; None: it is not paused for it."""
    if call.approval_id is None:
        return None
    return Approval.objects.select_for_update().filter(pk=call.approval_id).first()


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def answer_kept(run: Run, answer: Any) -> dict[str, Any]:
    """The answer as the call's row holds it."""
    kept = {"value": answer}
    if not run.is_sealed:
        return kept
    return {"sealed": wired.ports().sealers.for_user(run.owner_id).seal(kept)}


def _opened(call: FlowCall, run: Run) -> Any:
    kept: dict[str, Any] = call.answer or {}
    if "sealed" in kept:
        kept = wired.ports().sealers.for_user(run.owner_id).open(kept["sealed"])
    return kept.get("value")
