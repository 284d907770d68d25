"""A request that is sent twice begins one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models.functions import Now

from orchestration.models import IdempotencyKey
from orchestration.models.idempotency_key import KeyKind
from taskmapr.core.errors import IdempotencyKeyReused
from taskmapr.users.services.data_keys import KEYS_OF_OWNER

#: Seconds for which a repeat finds the run of a key that its client has chosen ...
KEY_LIFE_S: Final = 600
#: ... and of a message that the browser sends again without one.
MESSAGE_LIFE_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """By what a repeat is known, and for how long. `fingerprint`: of the accepted body."""

    key: str
    fingerprint: str
    life_s: int = KEY_LIFE_S
    kind: KeyKind = KeyKind.MESSAGE
    #: A run that has the key and does not count any more: it failed, or its time is over.
    replaces: UUID | None = None


class RunRepeated(Exception):
    """The request began this run before. Whatever the transaction wrote since is undone."""

    def __init__(self, run_id: UUID) -> None:
        self.run_id = run_id
        super().__init__(str(run_id))


# Also locks the row of a living key, so repeats wait until the first request has its run or has
# failed, and then see which.
_TAKE: Final = f"""
INSERT INTO agent_idempotency_keys AS k (owner_id, key, kind, fingerprint, run_id, expires_at)
VALUES (%(owner)s, %(key)s, %(kind)s, %(fingerprint)s, %(run)s,
  now() + make_interval(secs => %(life_s)s))
ON CONFLICT (owner_id, key) DO UPDATE SET (run_id, fingerprint, created_at, expires_at) = (
  SELECT CASE WHEN is_free THEN excluded.run_id ELSE k.run_id END,
    CASE WHEN is_free THEN excluded.fingerprint ELSE k.fingerprint END,
    CASE WHEN is_free THEN now() ELSE k.created_at END,
    CASE WHEN is_free THEN excluded.expires_at ELSE k.expires_at END
  FROM (SELECT k.expires_at <= now() OR k.run_id IS NOT DISTINCT FROM %(replaces)s AS is_free) f)
RETURNING run_id, fingerprint, {KEYS_OF_OWNER}
"""  # noqa: S608 - made of constants


def key_take(cursor: Any, *, owner_id: UUID, run_id: UUID, once: Once) -> str | None:
    """This run is the one of the key, if the transaction succeeds. Returns the owner's row of data
    keys for the sealers; None: there is none yet.

    Comes first in the transaction that creates the run: keys are locked before sessions and runs.
    Raises RunRepeated, and IdempotencyKeyReused for another body under the same key.
    """
    cursor.execute(
        _TAKE,
        {
            "owner": owner_id,
            "key": once.key,
            "kind": once.kind,
            "replaces": once.replaces,
            "fingerprint": once.fingerprint,
            "run": run_id,
            "life_s": once.life_s,
        },
    )
    taken_by, fingerprint, keys = cursor.fetchone()
    if fingerprint != once.fingerprint:
        raise IdempotencyKeyReused
    if taken_by != run_id:
        raise RunRepeated(taken_by)
    found: str | None = keys
    return found


def key_release(*, run_id: UUID) -> None:
    """The run could not be queued: the next attempt with its key begins anew."""
    IdempotencyKey.objects.filter(run_id=run_id).delete()


def keys_prune() -> int:
    """Forget keys whose time is over. Returns how many."""
    gone, _ = IdempotencyKey.objects.filter(expires_at__lte=Now()).delete()
    return gone
