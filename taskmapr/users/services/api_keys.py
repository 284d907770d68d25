"""API keys: issued, used, revoked. A key is told once, when it is issued, and never kept."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from taskmapr.core.errors import InvalidInput, NotFound
from taskmapr.users.models import ApiKey, User
from taskmapr.users.scopes import Scope

PREFIX: Final = "tm_"
_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,198}\*?|\*")
#: Characters of a key that may be shown afterwards.
_SHOWN: Final = len(PREFIX) + 6
#: `last_used_at` is at most so old while a key is in use.
USED_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    row: ApiKey
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBounds:
    """What a key is limited to beside its scopes; empty: not at all."""

    #: Names of intents and of types of tasks; a trailing `*` matches any end.
    intents: tuple[str, ...] = ()
    task_types: tuple[str, ...] = ()
    #: Addresses and networks (`10.0.0.0/8`) from which it may be used.
    networks: tuple[str, ...] = ()


@transaction.atomic
def api_key_issue(
    *,
    user_id: UUID,
    name: str,
    scopes: Sequence[str],
    created_by: UUID | None = None,
    expires_at: datetime | None = None,
    rate_per_minute: int | None = None,
    bounds: KeyBounds = KeyBounds(),
) -> IssuedKey:
    """Make a key for an active user. Its text is in the result and nowhere else.

    Raises InvalidInput for unknown or no scopes, a time that is over, odd bounds, or an inactive
    user.
    """
    api_key_check(user_id=user_id, scopes=scopes, expires_at=expires_at, bounds=bounds)
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
        intents=list(bounds.intents),
        task_types=list(bounds.task_types),
        networks=[str(ip_network(one, strict=False)) for one in bounds.networks],
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


def api_key_check(
    *,
    user_id: UUID,
    scopes: Sequence[str],
    expires_at: datetime | None,
    bounds: KeyBounds = KeyBounds(),
) -> None:
    """Raises the InvalidInput that `api_key_issue` would."""
    _check_bounds(bounds)
    if not scopes or not set(scopes) <= set(Scope.values):
        raise InvalidInput.of(("scopes", f"must be some of {', '.join(Scope.values)}"))
    if expires_at is not None and expires_at <= timezone.now():
        raise InvalidInput.of(("expires_at", "is over already"))
    if not User.objects.filter(pk=user_id, is_active=True).exists():
        raise InvalidInput.of(("user", "is not an active account"))


def _check_bounds(bounds: KeyBounds) -> None:
    for name in ("intents", "task_types"):
        odd = [one for one in getattr(bounds, name) if not _PATTERN.fullmatch(one)]
        if odd:
            raise InvalidInput.of((name, f"{odd[0]!r} is no name, nor one that ends in *"))
    for network in bounds.networks:
        try:
            ip_network(network, strict=False)
        except ValueError:
            raise InvalidInput.of(
                ("networks", f"{network!r} is neither an address nor a network")
            ) from None
