"""From an overlay's request to a started run."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson

from agents_cfg.models import OverlayProfile
from agents_cfg.selectors.profiles import endpoint_for, profile_choose
from orchestration.models.idempotency_key import KeyKind
from orchestration.page.profile import model_choice
from orchestration.page.profile_rows import profile_view
from orchestration.page.request import OverlayRequest
from orchestration.services.idempotency import MESSAGE_LIFE_S, Once
from orchestration.services.run_start import NewRun, StartedRun, run_start
from orchestration.standby.anywhere import stored_or_standby
from orchestration.standby.records import StandbySetup
from orchestration.standby.starting import standby_run_start
from taskmapr.core.run_kinds import OVERLAY

_UNFIT: Final = re.compile(r"[^A-Za-z0-9-]")
OFFLINE_NOTE: Final = "Answered by the built-in stand-in: no language model is configured."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An overlay's request with what the doorway knows of it."""

    run_id: UUID
    user_id: UUID
    #: How the user is called in session ids: `test-user-dev`, or the id.
    user_name: str
    request: OverlayRequest
    origin: str | None
    request_id: str
    #: What the client chose to know repeats by.
    idempotency_key: str | None = None


def overlay_run_start(asked: Asked) -> StartedRun:
    """Choose profile and model, make the session's name if there is none, and start the run.

    While Postgres is away, the run begins in Redis.

    Raises NotFound (profile), ModelNotConfigured, and what `run_start` raises.
    """
    request = asked.request
    profile = profile_choose(name=request.profile, origin=asked.origin)
    endpoint = endpoint_for(profile, request.config.model)
    is_offline = endpoint.adapter == "offline"
    stored = request.as_stored()
    new = NewRun(
        run_id=asked.run_id,
        kind=OVERLAY.name,
        owner_id=asked.user_id,
        session_id=request.session_id or session_id_new(asked.user_name),
        input={**stored, "settings": _settings(request, profile)},
        prompt=request.prompt,
        model=endpoint.model,
        profile_id=profile.pk,
        profile_version=profile.version,
        request_id=asked.request_id,
        page=request.page.as_json(),
        dropped=request.dropped,
        warnings=(OFFLINE_NOTE,) if is_offline else (),
        once=_once(asked, stored),
    )
    return stored_or_standby(
        lambda: run_start(new),
        lambda: standby_run_start(new, StandbySetup(profile=profile, endpoint=endpoint)),
    )


def _settings(request: OverlayRequest, profile: OverlayProfile) -> dict[str, Any]:
    """What this version of the profile makes of the request's wishes; kept beside them."""
    choice = model_choice(request.config, profile_view(profile))
    return {
        "temperature": choice.temperature,
        "maxTokens": choice.max_output_tokens,
        "instructions": choice.instructions or None,
        "tools": list(profile.tools),
    }


def _once(asked: Asked, stored: Mapping[str, Any]) -> Once | None:
    """By what a repeat of this request is known: the client's key, else the browser's message.

    Some browsers send a message up to three times when the network fails, a second apart, with the
    same id and words at the end of their history. A key of ours begins with a space, which no key
    of a client can.
    """
    request = asked.request
    if asked.idempotency_key is not None:
        # When it was asked, and how it shall be answered, make no other request of it.
        asked_for = {k: v for k, v in stored.items() if k not in {"timestamp", "stream"}}
        return Once(key=asked.idempotency_key, fingerprint=_digest(asked_for), kind=KeyKind.HEADER)
    if request.session_id and request.message_id:
        digest = _digest([request.session_id, request.message_id, request.prompt])
        return Once(key=f" {digest}", fingerprint=digest, life_s=MESSAGE_LIFE_S)
    return None


def _digest(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def session_id_new(user_name: str) -> str:
    """`taskmapr_<user>_<unix seconds>_<8 hex>`."""
    user = _UNFIT.sub("-", user_name)[:60]
    return f"taskmapr_{user}_{int(time.time())}_{secrets.token_hex(4)}"
