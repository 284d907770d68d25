"""API keys: issued, used, revoked. A key is told once, when it is issued, and never kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from taskmapr.core.errors import InvalidInput, NotFound
from taskmapr.users.models import ApiKey, User
from taskmapr.users.scopes import Scope

PREFIX: Final = "tm_"
#: Characters of a key that may be shown afterwards.
_SHOWN: Final = len(PREFIX) + 6
#: `last_used_at` is at most so old while a key is in use.
USED_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    row: ApiKey
    text: str = field(repr=False)


@transaction.atomic
def api_key_issue(
    *,
    user_id: UUID,
    name: str,
    scopes: Sequence[str],
    created_by: UUID | None = None,
    expires_at: datetime | None = None,
    rate_per_minute: int | None = None,
) -> IssuedKey:
    """Make a key for an active user. Its text is in the result and nowhere else.

    Raises InvalidInput for unknown or no scopes, a time that is over, or an inactive user.
    """
    api_key_check(user_id=user_id, scopes=scopes, expires_at=expires_at)
    text = f"{PREFIX}{secrets.token_urlsafe(32)}"
    row = ApiKey.objects.create(
        user_id=user_id,
        name=name,
        beginning=text[:_SHOWN],
        key_hash=api_key_hash(text),
        scopes=sorted(set(scopes)),
        created_by_id=created_by,
        expires_at=expires_at,
        rate_per_minute=rate_per_minute,
    )
    return IssuedKey(row=row, text=text)


def api_key_revoke(*, key_id: UUID) -> None:
    """From now on the key is refused. Repeating it changes nothing. Raises NotFound."""
    keys = ApiKey.objects.filter(pk=key_id)
    if not keys.filter(revoked_at=None).update(revoked_at=timezone.now()) and not keys.exists():
        raise NotFound


def api_key_used(*, key: ApiKey) -> None:
    """Note that the key was used now, unless that was noted within USED_EVERY."""
    due = timezone.now() - USED_EVERY
    if key.last_used_at is None or key.last_used_at <= due:
        stale = Q(last_used_at=None) | Q(last_used_at__lte=due)
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=timezone.now())


def api_key_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def api_key_check(*, user_id: UUID, scopes: Sequence[str], expires_at: datetime | None) -> None:
    """Raises the InvalidInput that `api_key_issue` would."""
    if not scopes or not set(scopes) <= set(Scope.values):
        raise InvalidInput.of(("scopes", f"must be some of {', '.join(Scope.values)}"))
    if expires_at is not None and expires_at <= timezone.now():
        raise InvalidInput.of(("expires_at", "is over already"))
    if not User.objects.filter(pk=user_id, is_active=True).exists():
        raise InvalidInput.of(("user", "is not an active account"))
