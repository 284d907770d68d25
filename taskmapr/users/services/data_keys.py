"""Data keys: made, wrapped anew, rotated, destroyed.

One key per user seals what people and models said. Everything here is sync and transactional.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Final
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.utils import timezone

from taskmapr.core.errors import Conflict
from taskmapr.core.ports import KeyUnavailable, Sealer
from taskmapr.foundation.crypto import (
    UserSealer,
    data_key_new,
    data_key_unwrap,
    data_key_wrap,
    master_fingerprint,
)
from taskmapr.users.models import DataKey, User

#: Seconds for which an unwrapped key is held, and of how many users at most.
KEPT_S: Final = 30.0
_KEPT: Final = 500

#: A column for statements that have a parameter `owner`: that user's row of keys, as the sealers
#: take it; null when there is none.
KEYS_OF_OWNER: Final = (
    "(SELECT json_build_array(wrapped, retired, destroyed_at)::text FROM users_datakey"
    " WHERE user_id = %(owner)s)"
)


class DataKeySealers:
    """The SealerSource of production: one query per call, none for who has read the row.

    Unwrapped keys are held for KEPT_S seconds beside the text that wraps them. Only who has just
    read the same text in the row gets them, so a key that was destroyed or rotated anywhere is not
    used from that moment on.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: OrderedDict[tuple[str, ...], tuple[float, UserSealer]] = OrderedDict()

    def for_user(self, user_id: UUID, row: str | None = None) -> Sealer:
        """Makes the user's data key if there is none yet. row: KEYS_OF_OWNER, read a moment ago.

        Raises KeyUnavailable when the user is unknown, or the key destroyed or not to be unwrapped.
        """
        row = row or _read(user_id)
        if row is None:
            key = data_key_ensure(user_id=user_id)
            wrapped, retired, destroyed_at = key.wrapped, key.retired, key.destroyed_at
        else:
            wrapped, retired, destroyed_at = orjson.loads(row)
        if destroyed_at is not None:
            raise KeyUnavailable("the data key was destroyed")
        return self._sealer((master_fingerprint(), wrapped, *retired))

    def _sealer(self, row: tuple[str, ...]) -> UserSealer:
        """`row`: what names the master secret, then the wrapped keys, newest first."""
        now = time.monotonic()
        with self._lock:
            until, sealer = self._held.get(row, (0.0, None))
        if sealer is not None and now < until:
            return sealer
        sealer = UserSealer([data_key_unwrap(wrapped) for wrapped in row[1:]])
        with self._lock:
            self._held[row] = (now + KEPT_S, sealer)
            self._held.move_to_end(row)
            while len(self._held) > _KEPT or next(iter(self._held.values()))[0] <= now:
                self._held.popitem(last=False)
        return sealer


def _read(user_id: UUID) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {KEYS_OF_OWNER}", {"owner": user_id})
        (row,) = cursor.fetchone()
    found: str | None = row
    return found


def data_key_ensure(*, user_id: UUID) -> DataKey:
    """The user's key row, made if missing. Parallel calls end with the same row.

    Raises KeyUnavailable when there is no such user. A destroyed key stays destroyed.
    """
    if key := DataKey.objects.filter(pk=user_id).first():
        return key
    if not User.objects.filter(pk=user_id).exists():
        raise KeyUnavailable("there is no such user")
    fresh = {"wrapped": data_key_wrap(data_key_new()), "master": master_fingerprint()}
    return DataKey.objects.get_or_create(pk=user_id, defaults=fresh)[0]


@transaction.atomic
def data_key_rotate(*, user_id: UUID) -> DataKey:
    """From now on a fresh key writes; the former ones still read.

    Raises Conflict when the key was destroyed, KeyUnavailable when it cannot be unwrapped.
    """
    data_key_ensure(user_id=user_id)
    key = _data_key_for_update(user_id)
    if key.destroyed_at is not None:
        raise Conflict("The data key was destroyed.")
    _wrap_anew(key)
    key.retired = [key.wrapped, *key.retired]
    key.wrapped = data_key_wrap(data_key_new())
    key.rotated_at = timezone.now()
    key.save()
    return key


@transaction.atomic
def data_key_destroy(*, user_id: UUID) -> None:
    """Everything sealed for the user is unreadable for ever. Repeating it changes nothing."""
    data_key_ensure(user_id=user_id)
    key = _data_key_for_update(user_id)
    if key.destroyed_at is None:
        key.wrapped, key.retired, key.destroyed_at = "", [], timezone.now()
        key.save()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrapped:
    """What a rotation of the master key did. `unreadable`: no present master secret opens them."""

    done: int
    unreadable: int


def data_keys_rewrap(*, batch: int = 500) -> Rewrapped:
    """Wrap every data key with the first master secret; no content is read or written.

    Each batch is a transaction of its own, and only keys of another master are looked at: a
    rotation that was cut off goes on where it stopped, and a finished one does nothing.
    """
    done = unreadable = 0
    last: UUID | None = None
    while rows := _rewrap_batch(after=last, batch=batch):
        done += sum(rows.values())
        unreadable += sum(not ok for ok in rows.values())
        last = max(rows)
    return Rewrapped(done=done, unreadable=unreadable)


@transaction.atomic
def _rewrap_batch(*, after: UUID | None, batch: int) -> dict[UUID, bool]:
    """User id → whether the key could be wrapped anew, in order of id; empty at the end."""
    left = DataKey.objects.filter(destroyed_at=None).exclude(master=master_fingerprint())
    if after is not None:
        left = left.filter(pk__gt=after)
    keys = list(left.order_by("pk").select_for_update()[:batch])
    outcome = {key.pk: _rewrap(key) for key in keys}
    DataKey.objects.bulk_update(
        [key for key in keys if outcome[key.pk]], ["wrapped", "retired", "master"]
    )
    return outcome


def _rewrap(key: DataKey) -> bool:
    try:
        _wrap_anew(key)
    except KeyUnavailable:
        return False
    return True


def _wrap_anew(key: DataKey) -> None:
    """Only in memory. The row names one master, so all its keys must change at once."""
    unwrapped = [data_key_unwrap(wrapped) for wrapped in (key.wrapped, *key.retired)]
    key.wrapped, *key.retired = [data_key_wrap(plain) for plain in unwrapped]
    key.master = master_fingerprint()


def _data_key_for_update(user_id: UUID) -> DataKey:
    return DataKey.objects.select_for_update().get(pk=user_id)
