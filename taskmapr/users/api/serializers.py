"""Shapes of the account endpoints. Members that are not named here are ignored."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from taskmapr.users.models import User
from taskmapr.users.services.sign_ins import AuthTokens


class Password(serializers.CharField):
    """Any text; the upper bound keeps a request from hashing megabytes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, max_length=1024, write_only=True, **kwargs)


class CredentialsIn(serializers.Serializer):  # type: ignore[type-arg]
    email = serializers.EmailField(max_length=254)
    password = Password()


class RefreshIn(serializers.Serializer):  # type: ignore[type-arg]
    refresh_token = serializers.CharField(max_length=1024)


class PasswordIn(serializers.Serializer):  # type: ignore[type-arg]
    password = Password()


def tokens_out(tokens: AuthTokens) -> dict[str, Any]:
    """`expires_at` in Unix seconds."""
    return {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "expires_at": int(tokens.expires_at.timestamp()),
    }


def profile_out(user: User) -> dict[str, Any]:
    return {"id": str(user.pk), "email": user.email, "tier": user.tier}
