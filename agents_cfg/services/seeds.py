"""What a new installation begins with."""

from __future__ import annotations

from django.conf import settings

from agents_cfg.models import OverlayProfile
from agents_cfg.services.mcp_servers import mcp_environment_apply
from agents_cfg.services.tools import registry_tools_write

#: The pages of the console's sample workspace, so that a first look can navigate.
SAMPLE_ROUTES = [
    {"path": "/console/", "title": "Dashboard"},
    {"path": "/console/tasks/", "title": "Tasks"},
    {"path": "/console/team/", "title": "Team"},
]
SAMPLE_KEYWORDS = ["task", "team", "metric", "blocked", "form"]


def seeds_plant() -> list[str]:
    """Make what is missing; never changes what is there. Returns what was made."""
    mcp_environment_apply()
    registry_tools_write()
    if OverlayProfile.objects.filter(is_default=True).exists():
        return []
    sample = {"routes": SAMPLE_ROUTES, "keywords": SAMPLE_KEYWORDS} if settings.DEBUG else {}
    OverlayProfile.objects.get_or_create(name="default", defaults={"is_default": True, **sample})
    return ["overlay profile 'default'"]
