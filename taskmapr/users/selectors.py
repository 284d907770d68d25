"""Reads about accounts."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from taskmapr.users.models import User, email_normal


def user_by_id(user_id: UUID) -> User | None:
    return User.objects.filter(pk=user_id).first()


def user_by_email(email: str) -> User | None:
    return User.objects.filter(email=email_normal(email)).first()


def users_with_sign_ins() -> QuerySet[User]:
    """Users with `sign_ins`: how many refresh tokens could still be used."""
    live = Q(
        refresh_tokens__used_at=None,
        refresh_tokens__revoked_at=None,
        refresh_tokens__expires_at__gt=timezone.now(),
    )
    return User.objects.annotate(sign_ins=Count("refresh_tokens", filter=live))


def users_to_erase() -> QuerySet[User]:
    return User.objects.exclude(erasure_requested_at=None).order_by("erasure_requested_at")
