"""Rules of modes, what is offered, keys of repeats."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from orchestration.models import IdempotencyKey, ModeRule
from orchestration.services.mode_rules import mode_rule_save
from taskmapr.users.models import User
from tests.orchestration.admin.conftest import staff_in
from tests.orchestration.conftest import StartRun

PAGE = "/admin/orchestration/moderule/intents/"


@pytest.fixture
def keeper(db: None, client: Client) -> Client:
    return staff_in(
        client,
        *(f"{what}_moderule" for what in ("view", "add", "change")),
        *(f"{what}_idempotencykey" for what in ("view", "delete")),
    )


@pytest.mark.req("IN-47")
def test_the_page_says_which_mode_an_intent_takes_and_why(keeper: Client) -> None:
    told = keeper.get(PAGE, {"intent": "my.operation"}).content.decode()
    assert "tool my.operation" in told

    mode_rule_save(rule=ModeRule(number=7, pattern="my.*", mode="flow"), by="ada")
    told = keeper.get(PAGE, {"intent": "my.operation"}).content.decode()

    assert "rule 7: my.*" in told


@pytest.mark.req("IN-47")
def test_the_page_says_what_is_wrong(keeper: Client) -> None:
    told = keeper.get(PAGE, {"intent": "xyz", "email": "nobody@example.org"}).content.decode()

    assert "unknown_intent" in told
    assert "no account" in told


@pytest.mark.req("IN-47")
def test_a_rule_must_say_something(keeper: Client) -> None:
    given = {"number": 1, "pattern": "my.*", "mode": "", "target": "", "per_minute": ""}

    answer = keeper.post("/admin/orchestration/moderule/add/", {**given, "is_enabled": "on"})
    assert b"choose a mode" in answer.content
    keeper.post("/admin/orchestration/moderule/add/", {**given, "mode": "agent"})

    assert ModeRule.objects.get().mode == "agent"


@pytest.mark.req("IN-47")
def test_a_key_is_freed(keeper: Client, start: StartRun, ada: User) -> None:
    run = start(kind="intent", session_id=None, subject="my.operation", mode="agent")
    key: Any = IdempotencyKey.objects.create(
        owner=ada,
        key=" intent x",
        kind="equal",
        fingerprint="x",
        run=run,
        expires_at=run.created_at,
    )
    assert b"my.operation" in keeper.get("/admin/orchestration/idempotencykey/").content

    keeper.post(
        "/admin/orchestration/idempotencykey/",
        {"action": "free_keys", "_selected_action": [key.pk], "confirmed": "1"},
    )

    assert not IdempotencyKey.objects.exists()
