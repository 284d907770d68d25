"""What processes tell each other of the provider's keys, in Redis.

The document is signed with the server's own secret: who can only write to Redis cannot make a key
trusted. Without Redis every process is on its own, and nothing here raises.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import redis
from django.core import signing

_SALT: Final = "taskmapr.users.jwks"


@dataclass(frozen=True, slots=True)
class Shared:
    body: bytes
    #: Unix seconds of the fetch.
    at: float


class SharedJwks:
    def __init__(self, client: Callable[[], redis.Redis], urls: Sequence[str]) -> None:
        self._client = client
        name = hashlib.sha256(" ".join(urls).encode()).hexdigest()[:16]
        self._document, self._mark = f"taskmapr:jwks:{name}", f"taskmapr:jwks-looked:{name}"
        self._own_slot_at = 0.0

    def read(self) -> Shared | None:
        try:
            text = self._client().get(self._document)
            kept = signing.loads(text.decode(), salt=_SALT) if isinstance(text, bytes) else None
        except (redis.RedisError, signing.BadSignature):
            return None
        return Shared(kept["body"].encode(), float(kept["at"])) if kept else None

    def write(self, body: bytes, at: float, *, life_s: float) -> None:
        try:
            text = signing.dumps({"body": body.decode(), "at": at}, salt=_SALT)
            self._client().set(self._document, text, ex=int(life_s))
        except redis.RedisError:
            return

    def slot(self, every_s: float) -> bool:
        """True for one of all processes every so many seconds."""
        try:
            return bool(self._client().set(self._mark, b"1", nx=True, ex=int(every_s)))
        except redis.RedisError:
            now = time.monotonic()
            if self._own_slot_at and now - self._own_slot_at < every_s:
                return False
            self._own_slot_at = now
            return True
