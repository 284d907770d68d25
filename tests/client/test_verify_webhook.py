"""Callbacks are checked by the client's own code, and by the library that signs them."""

from __future__ import annotations

import base64
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from taskmapr.client import WebhookRefused, verify_webhook

SECRET = "whsec_" + base64.b64encode(b"a" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"b" * 32).decode()
BODY = '{"type":"job.completed","data":{"text":"ü"}}'.encode()
NOW = 1_767_607_200


def headers(secret: str = SECRET, body: bytes = BODY, **changes: str) -> dict[str, str]:
    at = datetime.fromtimestamp(NOW, UTC)
    signed = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(NOW),
        "Webhook-Signature": Webhook(secret).sign("msg_1", at, body.decode()),
    }
    return {**signed, **{name.replace("_", "-").title(): v for name, v in changes.items()}}


@pytest.mark.req("IN-51")
@pytest.mark.parametrize("body", [BODY, BODY.decode()])
def test_takes_what_is_signed(body: bytes | str) -> None:
    told = verify_webhook(headers(), body, SECRET, now_s=NOW)

    assert told["data"] == {"text": "ü"}


@pytest.mark.req("IN-40")
def test_one_of_several_signatures_and_secrets_is_enough() -> None:
    both = headers()["Webhook-Signature"] + " " + headers(OTHER)["Webhook-Signature"]

    for secret in (SECRET, OTHER, [OTHER, SECRET]):
        assert verify_webhook(headers(webhook_signature=both), BODY, secret, now_s=NOW)


@pytest.mark.parametrize("off_s", [-300, 0, 300])
def test_clocks_may_differ_by_five_minutes(off_s: int) -> None:
    assert verify_webhook(headers(), BODY, SECRET, now_s=NOW + off_s)


@pytest.mark.req("IN-51")
@pytest.mark.parametrize(
    ("changes", "given"),
    [
        ({}, {"body": BODY + b" "}),
        ({}, {"secret": OTHER}),
        ({}, {"now_s": NOW + 301}),
        ({}, {"now_s": NOW - 301}),
        ({"webhook_id": "msg_2"}, {}),
        ({"webhook_id": ""}, {}),
        ({"webhook_timestamp": str(NOW + 1)}, {}),
        ({"webhook_timestamp": "soon"}, {}),
        ({"webhook_timestamp": ""}, {}),
        ({"webhook_signature": ""}, {}),
        ({"webhook_signature": "v1,"}, {}),
        ({"webhook_signature": "v1,???"}, {}),
        ({"webhook_signature": "v1,ü"}, {}),
        ({"webhook_signature": "v1"}, {}),
    ],
)
def test_refuses_everything_else(changes: dict[str, str], given: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"body": BODY, "secret": SECRET, "now_s": NOW, **given}

    with pytest.raises(WebhookRefused):
        verify_webhook(headers(**changes), **asked)


@pytest.mark.parametrize("body", [b"[]", b"no json"])
def test_refuses_signed_bodies_that_are_no_objects(body: bytes) -> None:
    with pytest.raises(WebhookRefused):
        verify_webhook(headers(body=body), body, SECRET, now_s=NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_***"])
def test_a_secret_that_is_none_is_the_callers_mistake(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        verify_webhook(headers(), BODY, secret, now_s=NOW)


def test_the_library_brings_nothing_of_the_server() -> None:
    code = (
        "import sys, taskmapr.client; "
        "print(sorted(m for m in sys.modules if m.split('.')[0] in"
        " {'django', 'orchestration', 'memory', 'billing', 'agents_cfg', 'aiohttp', 'celery'}"
        " or m.startswith('taskmapr.') and not m.startswith('taskmapr.client')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
