"""The page that a browser gets at the root."""

from __future__ import annotations

import pytest
from django.template.loader import render_to_string

SERVICE = {
    "status": "ok",
    "service": "taskmapr",
    "version": "1.2.3",
    "mcp_available": False,
    "endpoints": {"health": "/health", "taskmapr": "/api/taskmapr/orchestrate", "docs": "/docs"},
}


@pytest.mark.req("OV-58")
def test_tells_the_state_and_links_to_console_admin_and_documents() -> None:
    body = render_to_string("landing.html", {"service": SERVICE})

    assert 'data-status="ok"' in body
    assert "1.2.3" in body
    assert "none connected" in body
    for address in ("/console/", "/admin/", "/docs", "/health"):
        assert f'href="{address}"' in body
    assert "/api/taskmapr/orchestrate" in body
