"""Equal requests: what an earlier one came to, and whether that still counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection

from orchestration.dialects.orchestrate import JobFacts, Outcome
from orchestration.log.wire import open_data
from orchestration.models.idempotency_key import KeyKind
from taskmapr.core import run_state, wired
from taskmapr.core.ports import Sealer
from taskmapr.users.services.data_keys import KEYS_OF_OWNER

#: A job that is open so many seconds after its working time ended was lost.
LOST_AFTER_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The job of an earlier request under the same key, as far as it has come."""

    facts: JobFacts
    kind: KeyKind
    fingerprint: str
    outcome: Outcome
    #: Its time is long over, and nobody has ended it.
    is_lost: bool
    is_erased: bool
    sealer: Sealer | None

    def counts(self, *, is_volatile: bool) -> bool:
        """Whether a repeat is answered by it; otherwise it begins anew.

        Open jobs always count. Finished ones: those that went well, unless the same request may
        mean something else by now or nothing was done; of failed ones only what a client's own key
        asks for, refusals.
        """
        outcome = self.outcome
        if not outcome.is_final:
            return not self.is_lost
        if self.is_erased or is_volatile or outcome.is_dry_run:
            return False
        if outcome.status == run_state.SUCCEEDED:
            return True
        problem = outcome.problem()
        is_refusal = outcome.status == run_state.FAILED and problem is not None
        return self.kind == KeyKind.HEADER and is_refusal and _is_4xx(problem)


def _is_4xx(problem: object) -> bool:
    return 400 <= getattr(problem, "status", 500) < 500


# One visit: the key, its run, and of the log what an outcome is made of. A run that waits for a
# person is not lost, however long that takes.
_FIND: Final = f"""
SELECT k.kind, k.fingerprint, r.id, r.subject, r.mode, r.status, r.attempt, r.duration_ms,
  r.is_sealed, r.content_erased_at IS NOT NULL,
  r.status <> 'paused' AND now() > make_interval(secs => %(lost_after)s) + coalesce(
    r.deadline_at, r.created_at + make_interval(secs => coalesce(r.timeout_s, %(timeout)s))),
  (SELECT json_agg(json_build_array(e.kind, e.data) ORDER BY e.seq)::text
   FROM agent_run_events e WHERE e.run_id = r.id AND e.kind IN ('result', 'error')),
  CASE WHEN r.is_sealed THEN {KEYS_OF_OWNER} END
FROM agent_idempotency_keys k JOIN agent_runs r ON r.id = k.run_id
WHERE k.owner_id = %(owner)s AND k.key = %(key)s AND k.expires_at > now()
"""  # noqa: S608 - made of constants


def earlier_find(*, owner_id: UUID, key: str) -> Earlier | None:
    """The job that holds this key. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            _FIND,
            {
                "owner": owner_id,
                "key": key,
                "lost_after": LOST_AFTER_S,
                "timeout": settings.TASKMAPR["run_timeout_s"],
            },
        )
        row = cursor.fetchone()
    if row is None:
        return None
    kind, fingerprint, run_id, intent, mode, status, attempt, duration_ms, *rest = row
    is_sealed, is_erased, is_lost, log, keys = rest
    is_kept = is_sealed and not is_erased
    sealer = wired.ports().sealers.for_user(owner_id, keys) if is_kept else None
    return Earlier(
        facts=JobFacts(run_id=run_id, intent=intent, mode=mode),
        kind=KeyKind(kind),
        fingerprint=fingerprint,
        outcome=outcome_of(
            status=status, attempts=attempt, duration_ms=duration_ms, log=log, sealer=sealer
        ),
        is_lost=is_lost,
        is_erased=is_erased,
        sealer=sealer,
    )


def outcome_of(
    *,
    status: str,
    attempts: int,
    duration_ms: int | None,
    log: str | None,
    sealer: Sealer | None,
    telling: Callable[[str], bool] = lambda kind: True,
) -> Outcome:
    """An outcome of a run's columns and `[[kind, stored payload], ...]` of its log."""
    outcome = Outcome()
    for kind, data in orjson.loads(log) if log else []:
        if telling(kind):
            outcome.feed(kind, open_data(data, sealer))
    outcome.status, outcome.attempts, outcome.duration_ms = status, attempts, duration_ms
    return outcome
