"""/assets/: files for pages of this server and of others."""

from __future__ import annotations

import pytest
from django.test import Client


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://app.example.com"}])
def test_are_open_to_every_origin_and_to_requests_without_one(headers: dict[str, str]) -> None:
    answer = Client().get("/assets/taskmapr/tokens.css", headers=headers)

    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/static/taskmapr/overlay.js", "/assets/taskmapr/overlay.js"])
def test_the_overlay_has_the_address_that_pages_of_others_name(path: str) -> None:
    answer = Client().get(path, headers={"Origin": "https://app.example.com"})

    assert answer.status_code == 200
    assert "javascript" in answer["Content-Type"]
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert b"mountOverlay" in answer.content
