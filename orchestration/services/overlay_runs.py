"""From an overlay's request to a started run."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from agents_cfg.models import OverlayProfile
from agents_cfg.selectors.profiles import endpoint_for, profile_choose
from orchestration.page.profile import model_choice
from orchestration.page.profile_rows import profile_view
from orchestration.page.request import OverlayRequest
from orchestration.services.run_start import NewRun, StartedRun, run_start
from orchestration.standby.anywhere import stored_or_standby
from orchestration.standby.records import StandbySetup
from orchestration.standby.starting import standby_run_start
from taskmapr.core import wired
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


def overlay_run_start(asked: Asked) -> StartedRun:
    """Choose profile and model, make the session's name if there is none, and start the run.

    While Postgres is away, the run begins in Redis.

    Raises NotFound (profile), ModelNotConfigured, SessionForbidden, SessionBusy, QueueUnavailable.
    """
    wired.ports().policy.check_run_start(user_id=asked.user_id, run_kind=OVERLAY.name)
    request = asked.request
    profile = profile_choose(name=request.profile, origin=asked.origin)
    endpoint = endpoint_for(profile, request.config.model)
    is_offline = endpoint.adapter == "offline"
    new = NewRun(
        run_id=asked.run_id,
        kind=OVERLAY.name,
        owner_id=asked.user_id,
        session_id=request.session_id or session_id_new(asked.user_name),
        input={**request.as_stored(), "settings": _settings(request, profile)},
        prompt=request.prompt,
        model=endpoint.model,
        profile_id=profile.pk,
        profile_version=profile.version,
        request_id=asked.request_id,
        page=request.page.as_json(),
        dropped=request.dropped,
        warnings=(OFFLINE_NOTE,) if is_offline else (),
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


def session_id_new(user_name: str) -> str:
    """`taskmapr_<user>_<unix seconds>_<8 hex>`."""
    user = _UNFIT.sub("-", user_name)[:60]
    return f"taskmapr_{user}_{int(time.time())}_{secrets.token_hex(4)}"
