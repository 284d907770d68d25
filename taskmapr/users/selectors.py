"""Reads about accounts."""

from __future__ import annotations

from functools import cache
from uuid import UUID

from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from taskmapr.users.models import User, email_normal


def user_by_id(user_id: UUID) -> User | None:
    """The row without its password hash, which is read when asked for.

    Every request with credentials asks this, so the statement is composed once: composing costs
    four times as much as asking.
    """
    sql, fields = _user_statement()
    with connection.cursor() as cursor:
        cursor.execute(sql, [user_id])
        row = cursor.fetchone()
    return User.from_db(connection.alias, fields, row) if row else None


@cache
def _user_statement() -> tuple[str, list[str]]:
    """(SQL with one parameter, the fields that it selects in order)."""
    query = User.objects.order_by().defer("password").filter(pk=UUID(int=0)).query
    fields = [field.attname for field in User._meta.concrete_fields if field.name != "password"]
    return query.sql_with_params()[0], fields


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
