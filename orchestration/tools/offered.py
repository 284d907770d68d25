"""Which tools a run may call, and what it has to do without."""

from __future__ import annotations

from dataclasses import dataclass

from agents_cfg.models import OverlayProfile
from taskmapr.core.tools import ToolSpec, registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """The tools of one run. `missing`: in words for the model, what it would have otherwise."""

    tools: list[ToolSpec]
    missing: tuple[str, ...] = ()


def tools_offered(profile: OverlayProfile) -> Offered:
    """What a profile's runs are offered now. Touches the database."""
    return Offered(tools=registry.named(profile.tools))


def tools_without_database(profile: OverlayProfile) -> Offered:
    """What is left while Postgres is away: nothing that needs the effect ledger or a question."""
    return Offered(
        tools=[
            spec
            for spec in registry.named(profile.tools)
            if (spec.provider == "ui" or spec.danger == "read")
            and not (spec.has_effect or spec.needs_approval)
        ],
        missing=(
            "every tool that changes something outside of the page, until the database is back",
        ),
    )
