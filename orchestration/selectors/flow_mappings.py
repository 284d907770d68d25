"""What operators say about workflows."""

from __future__ import annotations

from typing import Final

from agents_cfg.selectors.fresh import fresh
from orchestration.models import FlowMapping

_KEY: Final = "flow_mappings"


def flow_mappings() -> tuple[FlowMapping, ...]:
    """All of them, those that are switched off as well. At most FRESH_S seconds old."""
    return fresh.get(_KEY, lambda: tuple(FlowMapping.objects.all()))
