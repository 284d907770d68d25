from __future__ import annotations

import time
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

SENT = {"intent": "gmail.triage", "inputs": {"since": "24h"}, "job_id": "job_1", "user_id": "u"}


def post(path: str, body: Any = None) -> Any:
    client = AsyncClient(enforce_csrf_checks=True)
    sent = SENT if body is None else body
    return async_to_sync(client.post)(
        f"/demo/n8n/{path}", data=sent, content_type="application/json"
    )


@pytest.mark.req("IN-29")
def test_answers_with_what_it_was_sent() -> None:
    answer = post("gmail-triage")

    assert answer.status_code == 200
    assert answer.json() == {"workflow": "gmail-triage", **SENT}


@pytest.mark.req("IN-29")
def test_plays_what_it_is_told() -> None:
    text = post("x?status=503&text=busy")
    began = time.monotonic()
    late = post("x", {"inputs": {"delay": 0.2, "accepted": True}})

    assert (text.status_code, text.content) == (503, b"busy")
    assert time.monotonic() - began >= 0.2
    assert late.json() == {"accepted": True}


@pytest.mark.parametrize("body", ["[1]", "{oh", {"inputs": 5}])
def test_odd_bodies_are_no_failure(body: Any) -> None:
    assert post("x?delay=soon&status=7", body).status_code == 200


@pytest.mark.req("IN-29")
def test_is_not_there_in_production(settings: Any) -> None:
    settings.ENV = "prod"

    assert post("x").status_code == 404
