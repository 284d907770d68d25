from __future__ import annotations

import hmac

from cryptography.fernet import Fernet

from memory.remembering.keys import OwnerKeys
from taskmapr.foundation.crypto import UserSealer


def _as_stored(key: bytes, what: bytes) -> int:
    return int.from_bytes(hmac.digest(key, what, "sha256")[:8], "big", signed=True)


def test_words_and_tags_are_looked_up_by_what_was_stored_for_them() -> None:
    now, retired = b"n" * 32, b"r" * 32
    keys = OwnerKeys(
        wrapped="",
        retired="[]",
        sealer=UserSealer([Fernet.generate_key()]),
        index_keys=(now, retired),
        mark=0,
    )

    assert keys.written(words=["tea", "größe"], tags=["tea"]) == [
        _as_stored(now, b"word:tea"),
        _as_stored(now, "word:größe".encode()),
        _as_stored(now, b"tag:tea"),
    ]
    assert keys.asked(["tea"]) == [[_as_stored(key, b"word:tea")] for key in (now, retired)]
    assert keys.tagged(["tea"]) == [[_as_stored(key, b"tag:tea")] for key in (now, retired)]
