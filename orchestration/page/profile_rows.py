"""Stored profiles as the plain values that runs work with."""

from __future__ import annotations

from agents_cfg.models import OverlayProfile
from orchestration.page.profile import ProfileView, Route


def profile_view(row: OverlayProfile, *, supports_tools: bool = True) -> ProfileView:
    """One version of a profile, without a database behind it."""
    return ProfileView(
        name=row.name,
        role=row.instructions,
        model=row.model.model if row.model is not None else "",
        allowed_models=tuple(row.allowed_models),
        max_output_tokens=row.max_output_tokens,
        temperature=row.temperature,
        instructions_allowed=row.allow_client_instructions,
        routes=tuple(
            Route(path=str(route["path"]), title=str(route.get("title", "")))
            for route in row.routes
            if isinstance(route, dict) and route.get("path")
        ),
        keywords=tuple(row.keywords),
        navigation_origins=tuple(row.navigate_origins),
        click_allowed="ui.click" in row.tools,
        submit_click_allowed=row.allow_submit_click,
        custom_names=tuple(row.custom_actions),
        knowledge_collections=tuple(row.knowledge_collections),
        supports_tools=supports_tools,
    )
