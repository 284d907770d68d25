"""docs/protocols/task-queue.md against the code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from orchestration.api.task_orders import _Body
from orchestration.dialects.task_result import SHOWN
from taskmapr.users.models import User
from taskmapr.users.services.api_keys import api_key_issue
from tests.contracts.routes import api_routes
from tests.docs.documents import ROOT, blocks, table_rows

TEXT = (ROOT / "docs" / "protocols" / "task-queue.md").read_text()


def test_the_words_of_every_status_are_there() -> None:
    rows = [tuple(cell.strip("`") for cell in row) for row in table_rows(TEXT, "Stored")]
    assert rows == [(stored, *words) for stored, words in SHOWN.items()]


def test_every_address_is_one() -> None:
    routes = {(method.upper(), route.path) for route in api_routes() for method in route.methods}
    rows = [line.split("|") for line in TEXT.split("\n") if line.startswith("| `")]
    shown = {(row[1].strip(" `"), row[2].strip(" `").rstrip("/")) for row in rows if "/" in row[2]}

    assert {pair for pair in shown if pair[0] in {"GET", "POST"}} <= routes


def test_every_member_of_an_order_is_there() -> None:
    shown = {row[0].strip("`") for row in table_rows(TEXT, "Member")}
    assert shown == set(_Body.model_fields)


@pytest.mark.django_db
@pytest.mark.req("TQ-07")
def test_the_example_is_answered_as_shown(redis_url: str, ports: Any) -> None:
    sent, shown = (block.split("\n\n", 1)[1] for block in blocks(TEXT, "http"))
    ada = User.objects.create_user("ada@example.org", "a long password")
    key = api_key_issue(user_id=ada.pk, name="docs", scopes=["tasks:assign"]).text

    answer = Client().post("/assign-task/", sent, "application/json", headers={"x-api-key": key})

    expected, told = json.loads(shown), answer.json()
    assert list(told) == list(expected)
    assert {k: v for k, v in expected.items() if v != "…"}.items() <= told.items()
