"""The page that a browser gets at the root."""

from __future__ import annotations

import pytest
from django.template.loader import render_to_string

HEALTH = {
    "status": "degraded",
    "db": "connected",
    "redis": "connected",
    "mcp": "not configured",
    "workers": 0,
}


@pytest.mark.req("OV-58")
def test_tells_the_state_and_links_to_console_admin_and_documents() -> None:
    body = render_to_string(
        "orchestration/landing.html", {"health": HEALTH, "version": "1.2.3", "is_dev": True}
    )

    assert 'data-status="degraded"' in body
    assert "1.2.3" in body
    assert "Something is missing" in body
    for address in ("/console/", "/admin/", "/docs", "/health"):
        assert f'href="{address}"' in body


def test_says_who_may_open_the_console_elsewhere() -> None:
    healthy = {**HEALTH, "status": "healthy"}

    body = render_to_string(
        "orchestration/landing.html", {"health": healthy, "version": "1", "is_dev": False}
    )

    assert "(staff)" in body
    assert "Something is missing" not in body
