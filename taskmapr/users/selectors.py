"""Reads about accounts."""

from __future__ import annotations

from functools import cache
from uuid import UUID

from django.db import connection
from django.db.models import Count, Model, Q, QuerySet
from django.utils import timezone

from taskmapr.users.models import ApiKey, ExternalIdentity, User, email_normal

Statement = tuple[str, list[str]]


def user_by_id(user_id: UUID) -> User | None:
    """The row without its password hash, which is read when asked for.

    Every request with credentials asks this or one of the next two, so their statements are
    composed once: composing costs four times as much as asking.
    """
    sql, fields = _user_statement()
    row = _row(sql, user_id)
    return User.from_db(connection.alias, fields, row) if row else None


def user_by_identity(issuer: str, subject: str) -> User | None:
    """The user who is `subject` at that issuer; as `user_by_id`."""
    sql, fields = _identity_statement()
    row = _row(sql, issuer, subject)
    return User.from_db(connection.alias, fields, row) if row else None


def api_key_by_hash(key_hash: str) -> ApiKey | None:
    """The key with its user, by one indexed query; as `user_by_id`."""
    sql, key_fields, user_fields = _key_statement()
    row = _row(sql, key_hash)
    if row is None:
        return None
    key = ApiKey.from_db(connection.alias, key_fields, row[: len(key_fields)])
    key.user = User.from_db(connection.alias, user_fields, row[len(key_fields) :])
    return key


def _row(sql: str, *parameters: str | UUID) -> tuple[object, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: tuple[object, ...] | None = cursor.fetchone()
    return found


def _columns(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields if field.name != "password"]


@cache
def _user_statement() -> Statement:
    """(SQL with one parameter, the fields that it selects in order)."""
    fields = _columns(User)
    rows = User.objects.order_by().filter(pk=UUID(int=0)).values_list(*fields)
    return rows.query.sql_with_params()[0], fields


@cache
def _identity_statement() -> Statement:
    """(SQL with two parameters, the fields of the user that it selects in order)."""
    fields = _columns(User)
    rows = (
        ExternalIdentity.objects.order_by()
        .filter(issuer="issuer", subject="subject")
        .values_list(*(f"user__{name}" for name in fields))
    )
    return rows.query.sql_with_params()[0], fields


@cache
def _key_statement() -> tuple[str, list[str], list[str]]:
    """(SQL with one parameter, the fields of the key, then of its user, that it selects)."""
    key_fields, user_fields = _columns(ApiKey), _columns(User)
    rows = (
        ApiKey.objects.order_by()
        .filter(key_hash="hash")
        .values_list(*key_fields, *(f"user__{name}" for name in user_fields))
    )
    return rows.query.sql_with_params()[0], key_fields, user_fields


def api_keys_exist() -> bool:
    return ApiKey.objects.exists()


def api_keys_live() -> QuerySet[ApiKey]:
    """Keys that would let somebody in."""
    not_over = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return ApiKey.objects.filter(not_over, revoked_at=None, user__is_active=True)


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
