"""Who works on which batch, and how many are signed in on a site."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from orchestration.models import BatchLease
from orchestration.services.expiring_marks import mark_release, mark_take, run_is_open
from taskmapr.foundation.postgres.clock import database_now


def batch_lease_take(*, site: str, batch_id: str, run_id: UUID, until: datetime) -> bool:
    """The batch is this run's until then. False: another run is at work on it.

    Redis answers first and may be away; the row in Postgres decides.
    """
    key = _batch_key(site, batch_id)
    if mark_take(key, run_id, until) is False:
        return False
    if _row_take(site, batch_id, run_id, until):
        return True
    mark_release(key, run_id)
    return False


@transaction.atomic
def _row_take(site: str, batch_id: str, run_id: UUID, until: datetime) -> bool:
    # From the clock of this process to the one that others read it by.
    now = database_now()
    until = now + (until - datetime.now(UTC))
    row = BatchLease.objects.select_for_update().filter(site=site, batch_id=batch_id).first()
    if row is None:
        try:
            with transaction.atomic():
                BatchLease.objects.create(
                    site=site, batch_id=batch_id, run_id=run_id, expires_at=until
                )
        except IntegrityError:
            return False
        return True
    is_anothers = row.run_id != run_id and row.expires_at > now
    if is_anothers and run_is_open(row.run_id):
        return False
    row.run_id, row.taken_at, row.expires_at = run_id, now, until
    row.save(update_fields=["run_id", "taken_at", "expires_at"])
    return True


def batch_lease_release(*, site: str, batch_id: str, run_id: UUID) -> None:
    """Others may work on the batch, if it was this run's."""
    BatchLease.objects.filter(site=site, batch_id=batch_id, run_id=run_id).delete()
    mark_release(_batch_key(site, batch_id), run_id)


def batch_lease_free(lease: BatchLease, by: str) -> None:
    """Take a lease away from its run. `by`: who decided so."""
    batch_lease_release(site=lease.site, batch_id=lease.batch_id, run_id=lease.run_id)


def site_place_take(
    *, site: str, account: str, run_id: UUID, until: datetime, places: int
) -> str | None:
    """The key of one of the site's places for this account, or None while all are taken.

    Without Redis nobody counts: the empty key.
    """
    # An account's name is for the site alone.
    name = hashlib.sha256(account.encode()).hexdigest()[:16]
    for number in range(places):
        key = f"tm:site:{site}:{name}:{number}"
        is_taken = mark_take(key, run_id, until)
        if is_taken is None:
            return ""
        if is_taken:
            return key
    return None


def site_place_release(key: str, run_id: UUID) -> None:
    if key:
        mark_release(key, run_id)


def _batch_key(site: str, batch_id: str) -> str:
    return f"tm:batch:{site}:{batch_id}"
