"""Where TaskMapr may send requests that its users ask for."""

from __future__ import annotations

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
