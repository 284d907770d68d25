"""Runs with callbacks, and what stands in for the code that tells of runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from orchestration.dialects.webhook import CALLBACKS, Callback
from orchestration.models import Delivery, Run
from orchestration.services.deliveries import (
    HeldDelivery,
    deliveries_claim,
    delivery_register,
)
from taskmapr.foundation.http.breakers import forget
from taskmapr.foundation.http.guard import EgressPolicy
from taskmapr.users.models import User

SECRET = "whsec_" + "A" * 43 + "="
HERE = EgressPolicy.of(["127.0.0.1:*"], ["127.0.0.1"])


def job_told(run_id: UUID) -> dict[str, Any]:
    """What the owner of a test's run gets."""
    run = Run.objects.get(pk=run_id)
    return {"job_id": f"job_{run_id.hex}", "status": run.status, "result": {"answer": 42}}


@contextmanager
def told(kind: str = "overlay") -> Iterator[None]:
    """Runs of this kind have callbacks for a while."""
    CALLBACKS[kind] = Callback(noun="job", document=f"{__name__}:job_told")
    try:
        yield
    finally:
        del CALLBACKS[kind]
        forget()


def ended(owner: User, status: str = "succeeded", **changes: Any) -> Run:
    """A run of the owner's that is over."""
    given = {"kind": "overlay", "queue": "runs.overlay", "finished_at": datetime.now(UTC)}
    return Run.objects.create(owner=owner, status=status, **{**given, **changes})


def registered(run: Run, url: str) -> Delivery:
    delivery_register(run_id=run.pk, url=url)
    return Delivery.objects.get(run=run, url=url)


def claimed() -> HeldDelivery:
    """The one callback that is due."""
    (held,) = deliveries_claim(10)
    return held


def make_due(delivery: Delivery) -> None:
    """As if its pause were over."""
    Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=Now() - timedelta(seconds=1))
