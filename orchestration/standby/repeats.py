"""A request that is sent twice while Postgres is away: the counterpart of
`orchestration.services.idempotency`, which says what is raised when."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from orchestration.services.idempotency import Once, RunRepeated
from orchestration.standby.records import repeat_key
from taskmapr.core import wired
from taskmapr.core.errors import IdempotencyKeyReused, TaskMaprError
from taskmapr.core.ports import Document


@contextmanager
def standby_key_held(*, owner_id: UUID, run_id: UUID, once: Once | None) -> Iterator[None]:
    """For the length of a start: the run is the one of the key, unless the start fails.

    Raises RunRepeated and IdempotencyKeyReused.
    """
    if once is None:
        yield
        return
    store, key = wired.ports().standby, repeat_key(owner_id, once.key)
    known = store.update(key, lambda document: _taken(document, run_id, once))
    if known["fingerprint"] != once.fingerprint:
        raise IdempotencyKeyReused
    if known["run_id"] != str(run_id):
        raise RunRepeated(UUID(known["run_id"]))
    try:
        yield
    except TaskMaprError:
        store.forget(key)
        raise


def _taken(document: Document | None, run_id: UUID, once: Once) -> tuple[Document, Document]:
    now = time.time()
    if document is None or document["expires_at"] <= now:
        document = {
            "run_id": str(run_id),
            "fingerprint": once.fingerprint,
            "expires_at": now + once.life_s,
        }
    return document, document
