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
