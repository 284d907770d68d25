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
