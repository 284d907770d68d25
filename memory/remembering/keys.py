"""What a user's data key is used for in memory: sealing items, and hashing their words.

Words are looked up by a keyed hash: HMAC-SHA256 of the word, cut to 64 bits. Its key is derived
from the data key (HKDF-SHA256 with a label of its own), so destroying the data key also makes the
hashes mean nothing, and a copy of the database says only which items of one user share a word.

An item is hashed under the key that sealed it. After a rotation a search asks for the hashes under
the new key and under each retired one, so nothing is missed before the items were sealed anew
(`memory.services.items_reseal`), and nothing depends on when that happens.
"""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Final, TypeVar
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from taskmapr.core.ports import KeyUnavailable
from taskmapr.foundation.crypto import UserSealer, data_key_unwrap
from taskmapr.users.services.data_keys import data_key_ensure

T = TypeVar("T")

#: Seconds that unwrapped keys may be used again, and owners whose keys are held at the same time.
KEPT_S: Final = 60.0
_KEPT: Final = 1_024
_WORDS: Final = b"taskmapr/v1/memory-words"
_MARK: Final = b"taskmapr/v1/memory-mark"
#: Tags and words lie in one index and never meet there.
_WORD: Final = b"word:"
_TAG: Final = b"tag:"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OwnerKeys:
    """One user's keys in the clear, and the row that they came from."""

    #: Columns of the row; `retired` as JSON text.
    wrapped: str
    retired: str
    sealer: UserSealer
    #: For hashes: the one that writes, then the retired ones.
    index_keys: tuple[bytes, ...]
    #: Names the key that writes without revealing anything of it.
    mark: int

    def written(self, *, words: Iterable[str], tags: Iterable[str]) -> list[int]:
        """Hashes of an item that is written now."""
        key = self.index_keys[0]
        return [*_hashes(key, _WORD, words), *_hashes(key, _TAG, tags)]

    def asked(self, words: Iterable[str]) -> list[list[int]]:
        """Hashes of a question's words, under each key."""
        words = list(words)
        return [_hashes(key, _WORD, words) for key in self.index_keys]

    def tagged(self, tags: Iterable[str]) -> list[list[int]]:
        """Hashes of tags, under each key."""
        tags = list(tags)
        return [_hashes(key, _TAG, tags) for key in self.index_keys]


class _Kept:
    """Keys that were unwrapped lately. Never trusted: see `under_current_keys`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[UUID, tuple[float, OwnerKeys]] = OrderedDict()

    def get(self, user_id: UUID) -> OwnerKeys | None:
        with self._lock:
            until, keys = self._known.get(user_id, (0.0, None))
            if keys is not None and time.monotonic() >= until:
                del self._known[user_id]
                return None
            return keys

    def put(self, user_id: UUID, keys: OwnerKeys) -> OwnerKeys:
        with self._lock:
            self._known[user_id] = (time.monotonic() + KEPT_S, keys)
            self._known.move_to_end(user_id)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return keys

    def forget(self, user_id: UUID) -> None:
        with self._lock:
            self._known.pop(user_id, None)


_kept: Final = _Kept()


def under_current_keys(user_id: UUID, act: Callable[[OwnerKeys], T | None]) -> T:
    """Do something that needs an owner's keys, and return what it gives.

    Unwrapped keys are held for up to KEPT_S seconds, so most calls ask the database nothing for
    them. In return `act` must say in its own statement that the row is still the one they came from
    (`remembering.statements.KEY_IS_CURRENT`), and return None when it is not: then the row is read
    again. So a key that was destroyed or rotated anywhere is not used from that moment on.

    Raises KeyUnavailable when the key was destroyed or cannot be unwrapped, or there is no such
    user.
    """
    for _ in range(3):
        keys = _kept.get(user_id) or _kept.put(user_id, owner_keys_read(user_id))
        if (done := act(keys)) is not None:
            return done
        _kept.forget(user_id)
    raise KeyUnavailable("the data key changes faster than it can be read")


def owner_keys_read(user_id: UUID) -> OwnerKeys:
    """As the row says now; it is made if it is missing. Raises KeyUnavailable."""
    row = data_key_ensure(user_id=user_id)
    if row.destroyed_at is not None:
        raise KeyUnavailable("the data key was destroyed")
    keys = [data_key_unwrap(wrapped) for wrapped in (row.wrapped, *row.retired)]
    return OwnerKeys(
        wrapped=row.wrapped,
        retired=orjson.dumps(row.retired).decode(),
        sealer=UserSealer(keys),
        index_keys=tuple(_derived(key, _WORDS, 32) for key in keys),
        mark=_signed(_derived(keys[0], _MARK, 8)),
    )


def _derived(key: bytes, label: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=label).derive(key)


def _hashes(key: bytes, kind: bytes, texts: Iterable[str]) -> list[int]:
    # `hmac.digest` lets other threads run at each call, and then waits for its turn again.
    begun = hmac.new(key, kind, "sha256")
    return [_hash(begun.copy(), text) for text in texts]


def _hash(begun: hmac.HMAC, text: str) -> int:
    begun.update(text.encode())
    return _signed(begun.digest()[:8])


def _signed(eight: bytes) -> int:
    """As PostgreSQL's bigint."""
    return int.from_bytes(eight, "big", signed=True)
