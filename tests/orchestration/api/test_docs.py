from __future__ import annotations

import json
import re

import pytest
from django.test import Client

from orchestration.api.document import document
from taskmapr.foundation.csp import HEADER

PAGES = ["/docs", "/redoc"]


@pytest.mark.req("OV-58")
@pytest.mark.parametrize("path", ["/openapi.json", "/openapi.json/"])
def test_the_document_is_served_as_it_is(path: str) -> None:
    answer = Client().get(path)

    assert answer.headers["Content-Type"] == "application/json"
    assert answer.content == document()
    assert json.loads(answer.content)["openapi"] == "3.1.0"


@pytest.mark.req("OV-58", "TQ-S15")
@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_nothing_from_elsewhere(path: str) -> None:
    answer = Client().get(path)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', answer.content.decode())

    assert answer.status_code == 200
    assert [address for address in loaded if not address.startswith(("/", "#"))] == []
    assert "/openapi.json" in loaded


@pytest.mark.parametrize("path", PAGES)
def test_scripts_are_files_of_this_server(path: str) -> None:
    answer = Client().get(path)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers[HEADER].split(";"))

    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert re.findall(r"<script(?![^>]*src=)", answer.content.decode()) == []
