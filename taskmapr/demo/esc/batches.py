"""The demo site's batches: twenty, and what is peculiar about some of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from django.db import transaction

from taskmapr.demo.esc.models import Batch, BatchState, EscSession

#: Its page answers 500.
BROKEN: Final = 18
#: Its page takes `DEMO_ESC_SLOW_S` seconds.
SLOW: Final = 19
#: Its page asks for another sign-in, once per session.
ASKS_AGAIN: Final = 20

_TITLES: Final = ("Travel", "Laboratory", "Books", "Printing", "Catering")


def _state(number: int) -> BatchState:
    if 11 <= number <= 15:
        return BatchState.APPROVED
    return BatchState.LOCKED if number in (16, 17) else BatchState.PENDING


@transaction.atomic
def batches_reset() -> int:
    """The twenty batches are as on the first day, and nobody is signed in. Returns how many."""
    EscSession.objects.all().delete()
    Batch.objects.all().delete()
    made = Batch.objects.bulk_create(
        Batch(
            number=number,
            title=f"{_TITLES[number % len(_TITLES)]}, week {30 + number}",
            amount_cents=12_345 + number * 6_789,
            state=_state(number),
        )
        for number in range(1, 21)
    )
    return len(made)


def batches_ensure() -> None:
    """There are batches: a new installation begins with the twenty."""
    if not Batch.objects.exists():
        batches_reset()


@transaction.atomic
def batch_approve(*, number: int) -> bool:
    """Approve a pending batch. False when it is in another state, or not there."""
    batch = Batch.objects.select_for_update().filter(number=number).first()
    if batch is None or batch.state != BatchState.PENDING:
        return False
    batch.state, batch.approved_at = BatchState.APPROVED, datetime.now(UTC)
    batch.save(update_fields=["state", "approved_at"])
    return True
