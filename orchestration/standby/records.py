"""What Redis keeps of sessions and runs while Postgres is away, and how a profile travels there.

A session is one document, so that everything that must be decided together (whose it is, whose turn
it is, who holds a run) is decided in one step:

    {session_id, user_id, created_at, title,
     runs: {run_id: {status, enqueued_at, lease_owner, lease_token, lease_until, attempt,
                     started_at, deadline_at, last_seq, ending?}},      in the order of their starts
     messages: [{id, run_id, position, role, content, actions, items, is_partial, created_at}]}

What never changes of a run (request, profile, model) is a document of its own; its events and the
commands for its writer are lists. Times are seconds since 1970.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson

from agents_cfg.models import OverlayProfile
from taskmapr.core.ports import ModelEndpoint
from taskmapr.foundation.crypto import master_fernet

#: The set of sessions that have something to move to Postgres.
SESSIONS: Final = "sessions"


def session_key(session_id: str) -> str:
    return f"session:{session_id}"


def owner_key(session_id: str) -> str:
    """Who owns a session that Postgres knows: enough to refuse others while it is away."""
    return f"owner:{session_id}"


def run_key(run_id: UUID | str) -> str:
    return f"run:{run_id}"


def events_key(run_id: UUID | str) -> str:
    return f"events:{run_id}"


def commands_key(run_id: UUID | str) -> str:
    return f"commands:{run_id}"


def repeat_key(owner_id: UUID, key: str) -> str:
    """The run that an idempotency key of this owner began."""
    return f"repeat:{owner_id}:{key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandbySetup:
    """What a run was started with, for a worker that cannot ask Postgres."""

    profile: OverlayProfile
    endpoint: ModelEndpoint


def setup_freeze(setup: StandbySetup) -> str:
    """As sealed text: an endpoint holds a key."""
    fields = [f.name for f in OverlayProfile._meta.concrete_fields if f.name != "model"]
    profile = {name: getattr(setup.profile, name) for name in fields}
    whole = {"profile": profile, "endpoint": dataclasses.asdict(setup.endpoint)}
    return master_fernet("field").encrypt(orjson.dumps(whole, default=str)).decode()


def setup_thaw(sealed: str) -> StandbySetup:
    whole = orjson.loads(master_fernet("field").decrypt(sealed))
    return StandbySetup(
        profile=OverlayProfile(**whole["profile"]), endpoint=_endpoint(whole["endpoint"])
    )


def _endpoint(fields: dict[str, Any]) -> ModelEndpoint:
    fallbacks = tuple(_endpoint(each) for each in fields.pop("fallbacks"))
    return ModelEndpoint(**fields, fallbacks=fallbacks)
