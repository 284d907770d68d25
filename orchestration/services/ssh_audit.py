"""Who had which command run on which host, or was refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from orchestration.models import Run, SshAudit, SshDecision, SshTarget
from orchestration.page.text import storable
from orchestration.targets.ssh_masking import masked


@dataclass(frozen=True, slots=True, kw_only=True)
class SshCall:
    """One call, as it was asked for."""

    user_id: str
    run_id: str
    is_models_choice: bool
    tool: str
    target: str
    command: str


def ssh_call_note(
    call: SshCall, decision: SshDecision, reasons: Sequence[str] = (), error_code: str = ""
) -> int:
    """Written before a host is contacted; an allowed call is settled later. Returns its id."""
    row = SshAudit.objects.create(
        principal=_principal(call),
        user_id=call.user_id,
        is_models_choice=call.is_models_choice,
        run_id=_uuid(call.run_id),
        tool=call.tool,
        target=storable(call.target, 100),
        command=storable(masked(call.command), 4096),
        decision=decision,
        reasons=list(reasons),
        error_code=error_code,
    )
    if decision == SshDecision.ALLOWED:
        SshTarget.objects.filter(alias=call.target).update(last_used_at=datetime.now(UTC))
    return int(row.pk)


def ssh_call_settle(
    audit_id: int,
    *,
    duration_ms: int,
    exit_code: int | None = None,
    error_code: str = "",
    refused_because: str = "",
) -> None:
    """How an allowed call ended. `refused_because`: what the host's own files made of it."""
    changed: dict[str, Any] = {
        "duration_ms": duration_ms,
        "exit_code": exit_code,
        "error_code": error_code,
    }
    if refused_because:
        changed |= {"decision": SshDecision.REFUSED, "reasons": [refused_because]}
    SshAudit.objects.filter(pk=audit_id, duration_ms=None).update(**changed)


def ssh_audit_expire() -> int:
    """Remove what is past its time. Returns how many rows."""
    limit = datetime.now(UTC) - timedelta(days=settings.TASKMAPR["ssh_audit_retention_days"])
    return SshAudit.objects.filter(at__lt=limit).delete()[0]


def _principal(call: SshCall) -> str:
    run_id = _uuid(call.run_id)
    run = None if run_id is None else Run.objects.only("credential").filter(pk=run_id).first()
    return (run.credential if run else "") or f"user:{call.user_id}"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
