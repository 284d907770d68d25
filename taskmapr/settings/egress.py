"""Where TaskMapr may send requests that its users ask for, and what signs them."""

from __future__ import annotations

import base64
import binascii

from django.core.exceptions import ImproperlyConfigured

from taskmapr.foundation.http.guard import EgressPolicy, HostRule, host_rule_of
from taskmapr.settings.env import Env


def egress_policy_of(env: Env) -> EgressPolicy:
    return EgressPolicy(
        allowed=_rules("CALLBACK_ALLOWED_HOSTS", env.words("CALLBACK_ALLOWED_HOSTS")),
        over_http=_rules("CALLBACK_ALLOW_HTTP_HOSTS", env.words("CALLBACK_ALLOW_HTTP_HOSTS")),
    )


def _rules(name: str, entries: list[str]) -> tuple[HostRule, ...]:
    try:
        return tuple(map(host_rule_of, entries))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from None


def webhook_secret_of(env: Env) -> str:
    """`whsec_` and base64 of 24 to 64 bytes, or nothing."""
    secret = env.text("TASKMAPR_WEBHOOK_SECRET")
    if not secret:
        return ""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise ImproperlyConfigured(
            "TASKMAPR_WEBHOOK_SECRET must be whsec_ and base64 of 24 to 64 random bytes"
        )
    return secret
