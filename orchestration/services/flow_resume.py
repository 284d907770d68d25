"""A workflow answers later."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from orchestration.models import FlowCall
from orchestration.models.approval import ApprovalStatus
from orchestration.models.flow_call import FlowCallState
from orchestration.services.flow_calls import (
    answer_kept,
    approval_of,
    flow_call_for_update,
    token_hash,
)
from orchestration.services.pausing import approval_settle
from orchestration.services.webhook_secrets import signed_request_verify
from taskmapr.core.errors import JobNotFound, NotAllowed, RunNotFound

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """Headers and the raw body, over which a signature was made."""

    headers: Mapping[str, str]
    body: bytes


@transaction.atomic
def flow_resume(
    *, run_id: UUID, answer: Any, token: str, signed: SignedRequest | None = None
) -> None:
    """Take a workflow's answer, once, and let its run go on.

    `token`: the one of the address that the workflow was given. `signed`: the request as it came,
    when it claims to be signed: then the signature must be one of the run's owner. It never stands
    in for the token: all users without a secret of their own share one.
    Raises JobNotFound, InvalidSignature, and NotAllowed for a wrong token, a second answer, one
    that comes too late, and a run that waits for no workflow; nothing changes then.
    """
    try:
        run, call = flow_call_for_update(run_id)
    except RunNotFound:
        raise JobNotFound from None
    except FlowCall.DoesNotExist:
        raise NotAllowed("The job waits for no answer.") from None
    if not hmac.compare_digest(token_hash(token), call.token_hash):
        raise NotAllowed("The token is not this job's.")
    if signed is not None:
        signed_request_verify(headers=signed.headers, body=signed.body, owner_id=run.owner_id)
    if call.state == FlowCallState.ANSWERED or run.is_final:
        raise NotAllowed("The job has its answer, or is over.")
    # The database's clock decides what is too late.
    taken = FlowCall.objects.filter(pk=run_id, expires_at__gt=Now()).update(
        state=FlowCallState.ANSWERED, answer=answer_kept(run, answer), answered_at=Now()
    )
    if not taken:
        raise NotAllowed("The time for an answer is over.")
    logger.info("job job_%s: its workflow answered", run_id.hex)
    approval = approval_of(call)
    if approval is not None and approval.status == ApprovalStatus.OPEN:
        approval_settle(approval=approval, run=run, decision="answered", by="flow")
