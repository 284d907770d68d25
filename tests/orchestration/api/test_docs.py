from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import resolve

from orchestration.api.reference import ENDPOINTS


@pytest.mark.req("OV-58")
def test_it_lists_the_endpoints_and_error_codes() -> None:
    body = Client().get("/docs").content.decode()

    assert all(endpoint.path in body for endpoint in ENDPOINTS)
    assert "/problems/session_busy" in body


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
def test_what_it_lists_exists(endpoint: object) -> None:
    path = re.sub(r"\{\w+\}", "x", endpoint.path)  # type: ignore[attr-defined]

    view = resolve(path).func

    cls = getattr(view, "view_class", None) or getattr(view, "cls", None)
    if cls is not None:
        assert hasattr(cls, endpoint.method.lower())  # type: ignore[attr-defined]
