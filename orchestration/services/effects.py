"""The effect ledger: what a run did to the world, and what it may have done."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import orjson
from django.db import transaction
from django.db.models.functions import Now

from orchestration.models import Effect, Run
from orchestration.models.effect import EffectStatus
from taskmapr.core import wired
from taskmapr.core.errors import LeaseLost


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectEntry:
    """`begun`: go ahead. `settled`: the receipt answers. `unknown`: nobody knows whether it
    happened."""

    state: Literal["begun", "settled", "unknown"]
    receipt: dict[str, Any] | None = None


def fingerprint_of(tool: str, args: Any) -> str:
    """Names exactly one action: SHA-256 of the tool and its arguments in canonical JSON, as hex."""
    canonical = orjson.dumps([tool, args], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()


@transaction.atomic
def effect_begin(
    *,
    run_id: UUID,
    lease_token: int,
    call_id: str,
    tool: str,
    fingerprint: str,
    again: bool = False,
) -> EffectEntry:
    """Write down that a tool call is about to change the world.

    Raises LeaseLost when the token is not the run's current one. `again` permits to repeat an
    effect of which a person said that it did not happen.
    """
    run = (
        Run.objects.select_for_update().only("lease_token", "is_sealed", "owner_id").get(pk=run_id)
    )
    if run.lease_token != lease_token:
        raise LeaseLost
    effect = Effect.objects.filter(run_id=run_id, call_id=call_id).first()
    if effect is None:
        Effect.objects.create(
            run_id=run_id,
            call_id=call_id,
            tool=tool,
            fingerprint=fingerprint,
            lease_token=lease_token,
        )
        return EffectEntry(state="begun")
    if effect.status in {EffectStatus.DONE, EffectStatus.FAILED}:
        return EffectEntry(state="settled", receipt=_opened(effect, run))
    if not again:
        return EffectEntry(state="unknown")
    effect.status, effect.lease_token, effect.settled_at = EffectStatus.BEGUN, lease_token, None
    effect.save(update_fields=["status", "lease_token", "settled_at"])
    return EffectEntry(state="begun")


def effect_settle(*, run_id: UUID, lease_token: int, call_id: str, receipt: dict[str, Any]) -> None:
    """Write down how it went. `receipt`: {ok, result, error}. Raises LeaseLost."""
    run = Run.objects.only("lease_token", "is_sealed", "owner_id").get(pk=run_id)
    kept = receipt
    if run.is_sealed:
        kept = {"sealed": wired.ports().sealers.for_user(run.owner_id).seal(receipt)}
    settled = Effect.objects.filter(
        run_id=run_id, call_id=call_id, run__lease_token=lease_token
    ).update(
        status=EffectStatus.DONE if receipt["ok"] else EffectStatus.FAILED,
        receipt=kept,
        settled_at=Now(),
    )
    if not settled:
        raise LeaseLost


def _opened(effect: Effect, run: Run) -> dict[str, Any]:
    receipt: dict[str, Any] = effect.receipt or {}
    if "sealed" not in receipt:
        return receipt
    opened: dict[str, Any] = wired.ports().sealers.for_user(run.owner_id).open(receipt["sealed"])
    return opened
