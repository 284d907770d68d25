"""How people and programs get in, as it is configured; and what is wrong with a given token."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.debug import sensitive_post_parameters

from taskmapr.core.errors import AuthUnavailable
from taskmapr.settings.sign_in import ExternalSignIn
from taskmapr.users.development import is_zero_config
from taskmapr.users.jwks import FRESH_S, jwks
from taskmapr.users.principals import TOKEN_LENGTH_MAX
from taskmapr.users.selectors import api_keys_live
from taskmapr.users.token_check import token_check
from taskmapr.users.tokens import ACCESS_LIFE, REFRESH_LIFE

PERMISSION: Final = "users.view_apikey"
Facts = list[tuple[str, Any]]


@sensitive_post_parameters("token")
def sign_in_page(request: HttpRequest) -> HttpResponse:
    """A POST with `token` checks it; the token is neither shown again nor kept."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    token = request.POST.get("token", "")[: TOKEN_LENGTH_MAX + 1]
    context = {
        **admin.site.each_context(request),
        "title": "Sign-in settings",
        "groups": [
            ("Tokens of this server", _native()),
            ("Tokens of an external provider", _external(settings.EXTERNAL_SIGN_IN)),
            ("Other ways in", _others()),
        ],
        "keys": _public_keys(settings.EXTERNAL_SIGN_IN),
        "steps": token_check(token) if token else None,
    }
    return TemplateResponse(request, "users/sign_in.html", context)


def keys_fetch_asked(request: HttpRequest) -> HttpResponse:
    """Fetch the provider's public keys now."""
    if request.method != "POST" or not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    if settings.EXTERNAL_SIGN_IN.jwks_urls:
        try:
            jwks().fetch()
        except AuthUnavailable:
            messages.error(request, f"Not fetched: {jwks().state.failure}.")
        else:
            messages.success(request, "Fetched.")
    return redirect("admin:users_sign_in")


def _native() -> Facts:
    return [
        ("Signing secret (JWT_SECRET)", _set(settings.JWT_SECRET)),
        ("Algorithm", settings.JWT_ALGORITHM),
        ("Access tokens live", f"{ACCESS_LIFE.total_seconds() / 60:.0f} minutes"),
        ("Refresh tokens live", f"{REFRESH_LIFE.days} days"),
    ]


def _external(config: ExternalSignIn) -> Facts:
    if not config.is_configured:
        return [("State", "Not configured. SUPABASE_URL or SUPABASE_JWT_SECRET switches it on.")]
    audiences = "any" if config.audiences is None else ", ".join(sorted(config.audiences))
    return [
        ("Issuer", config.issuer or "not compared"),
        ("Audience", audiences),
        ("Algorithms", ", ".join(config.algorithms)),
        ("Shared secret (SUPABASE_JWT_SECRET)", _set(config.jwt_secret)),
        ("Public keys at", ", then ".join(config.jwks_urls) or "nowhere: no address is set"),
        ("Key sent there", config.api_key_name or "none"),
    ]


def _others() -> Facts:
    return [
        ("API keys in use", api_keys_live().count()),
        ("Development user for local requests", "on" if is_zero_config() else "off"),
        ("DISABLE_AUTH", "ON: everybody is let in" if settings.DISABLE_AUTH else "off"),
    ]


def _public_keys(config: ExternalSignIn) -> dict[str, Any] | None:
    if not config.jwks_urls:
        return None
    state = jwks().state
    known = state.known
    return {
        "rows": known.keys if known else (),
        "fetched_at": _time(known.fetched_at) if known else None,
        "failed_at": _time(state.failed_at) if state.failure else None,
        "failure": state.failure,
        "fresh_minutes": int(FRESH_S // 60),
    }


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _set(secret: str) -> str:
    return "set" if secret else "not set"
