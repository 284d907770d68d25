"""Checking callbacks (Standard Webhooks, https://www.standardwebhooks.com, version v1)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from taskmapr.client.errors import WebhookRefused

#: Seconds that the clocks of sender and receiver may differ.
TOLERANCE_S: Final = 300


def verify_webhook(
    headers: Mapping[str, str],
    body: bytes | str,
    secret: str | Iterable[str],
    *,
    now_s: float | None = None,
) -> dict[str, Any]:
    """The callback as JSON: {type, timestamp, data}, once its signature has been checked.

    headers: in any case. body: exactly as received, not parsed and written again. secret:
    `whsec_...`, or several while one is replaced by another. now_s: Unix time, for tests.
    The same message may come more than once: remember `webhook-id`. Raises WebhookRefused.
    """
    given = {name.lower(): value for name, value in headers.items()}
    raw = body.encode() if isinstance(body, str) else bytes(body)
    message_id, timestamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not message_id or not timestamp:
        raise WebhookRefused("webhook-id or webhook-timestamp is missing")
    _check_time(timestamp, time.time() if now_s is None else now_s)
    signed = f"{message_id}.{timestamp}.".encode() + raw
    secrets = [secret] if isinstance(secret, str) else list(secret)
    if not _fits(given.get("webhook-signature", ""), signed, secrets):
        raise WebhookRefused("no signature fits")
    try:
        told = json.loads(raw)
    except ValueError:
        raise WebhookRefused("the body is not JSON") from None
    if not isinstance(told, dict):
        raise WebhookRefused("the body is not an object")
    return told


def _check_time(text: str, now_s: float) -> None:
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise WebhookRefused("webhook-timestamp is not a number")
    if abs(int(text) - now_s) > TOLERANCE_S:
        raise WebhookRefused("webhook-timestamp is too old or too new")


def _fits(header: str, signed: bytes, secrets: list[str]) -> bool:
    given = [_bytes(part[3:]) for part in header.split() if part.startswith("v1,")]
    wanted = [hmac.new(_key(secret), signed, hashlib.sha256).digest() for secret in secrets]
    # Every pair is compared, so that the time taken says nothing.
    pairs = [hmac.compare_digest(one, other) for one in given for other in wanted]
    return any(pairs)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError("the secret must be whsec_ and base64")
    return key
