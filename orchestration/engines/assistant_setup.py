"""What the stores say about an overlay run, before its first model turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from agents_cfg.models import OverlayProfile
from agents_cfg.selectors.profiles import endpoint_for, profile_get
from orchestration.page.profile import ProfileView
from orchestration.page.profile_rows import profile_view
from orchestration.page.request import OverlayRequest
from orchestration.prompts.recalled import Recalled
from orchestration.selectors.recall import recalled_for
from orchestration.selectors.sessions import SessionMessage, session_messages_before
from orchestration.services.leases import Claim
from orchestration.standby.reading import standby_messages_before
from orchestration.standby.records import StandbySetup
from orchestration.tools.offered import Offered, tools_offered, tools_without_database
from orchestration.tools.ui import kinds_without_call
from taskmapr.core.ports import ModelEndpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One visit to the store."""

    profile: ProfileView
    endpoint: ModelEndpoint
    offered: Offered
    #: Kinds of page actions that the model may write into its text.
    written_kinds: frozenset[str]
    max_turns: int
    continues_unread: bool
    #: The session's chat messages before this prompt, oldest first.
    remembered: list[dict[str, Any]]
    #: How many messages these are, as people count.
    messages_before: int
    #: What is known from the user's other sessions; only a new session is told.
    recalled: Recalled


def setup_of(claim: Claim, request: OverlayRequest) -> Setup:
    """Touches the database, or only Redis for a run that began while the database was away."""
    if claim.standby is not None:
        return _standby_setup_of(claim, claim.standby)
    row = profile_get(claim.profile_id)
    endpoint = endpoint_for(row, request.config.model)
    earlier: list[SessionMessage] = []
    recalled = Recalled()
    if claim.session_id is not None and claim.events[0].data.get("session_resumed"):
        earlier = session_messages_before(
            session_id=claim.session_id, run_id=claim.run_id, sealer=claim.sealer
        )
    elif claim.session_id is not None:
        recalled = recalled_for(
            user_id=claim.owner_id,
            session_id=claim.session_id,
            sessions=row.recall_sessions,
            preferences=row.recall_preferences,
        )
    return _setup(row, endpoint, tools_offered(row), earlier, recalled)


def _standby_setup_of(claim: Claim, standby: StandbySetup) -> Setup:
    row, endpoint = standby.profile, standby.endpoint
    earlier = standby_messages_before(session_id=claim.session_id or "", run_id=claim.run_id)
    return _setup(row, endpoint, tools_without_database(row), earlier, Recalled())


def _setup(
    row: OverlayProfile,
    endpoint: ModelEndpoint,
    allowed: Offered,
    earlier: list[SessionMessage],
    recalled: Recalled,
) -> Setup:
    """allowed: the tools of the profile's runs, whether this model can call tools or not."""
    return Setup(
        profile=profile_view(row, supports_tools=endpoint.supports_tools),
        endpoint=endpoint,
        offered=allowed if endpoint.supports_tools else Offered(tools=[]),
        written_kinds=kinds_without_call(allowed.tools),
        max_turns=row.max_turns or settings.TASKMAPR["max_turns"],
        continues_unread=row.disconnect_policy == "continue",
        remembered=_remembered(earlier),
        messages_before=len(earlier),
        recalled=recalled,
    )


def _remembered(messages: list[SessionMessage]) -> list[dict[str, Any]]:
    """A session's messages as chat messages; an answer that called tools is several of them."""
    return [
        item
        for message in messages
        for item in message.items or [{"role": message.role, "content": message.content}]
    ]
