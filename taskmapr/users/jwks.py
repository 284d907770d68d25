"""The identity provider's public keys: fetched, kept, shared between processes.

Keys are believed for FRESH_S. When the provider does not answer then, those at hand are used for
up to STALE_S; after that, and when there are none, AuthUnavailable. What one process fetched is
left in Redis, signed, and adopted by the others; without Redis each process fetches for itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from django.conf import settings

from taskmapr.core.errors import AuthUnavailable
from taskmapr.foundation.redis_client import redis_client
from taskmapr.settings.sign_in import ExternalSignIn
from taskmapr.users.jwks_fetch import FETCH_S, JwksUnreadable, jwks_fetch
from taskmapr.users.jwks_shared import SharedJwks
from taskmapr.users.public_keys import PublicKey, key_for, keys_of

logger = logging.getLogger(__name__)

FRESH_S: Final = 600.0
STALE_S: Final = 24 * 3600.0
#: A key id that is not known makes somebody look again, this often at most.
UNKNOWN_EVERY_S: Final = 60.0
#: After a fetch that failed, the next one is tried no earlier: with keys at hand, and without.
RETRY_S: Final = 30.0
RETRY_EMPTY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class KeySet:
    """`fetched_at`: Unix seconds, of whichever process fetched it."""

    keys: tuple[PublicKey, ...]
    fetched_at: float


@dataclass(slots=True)
class JwksState:
    """What this process knows; shown to operators."""

    known: KeySet | None = None
    failed_at: float = 0.0
    failure: str = ""
    retry_at: float = field(default=0.0, repr=False)


class Jwks:
    """One per process and configuration. Safe to use from several threads."""

    def __init__(self, config: ExternalSignIn, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.state = JwksState()
        self._config = config
        self._shared = SharedJwks(redis_client, config.jwks_urls)
        self._lock = threading.Lock()

    def key(self, kid: str | None, algorithm: str) -> PublicKey | None:
        """The key of that id which fits the algorithm; without an id, the only one that fits.

        None also for an id that nobody could find within the last minute. Raises AuthUnavailable.
        """
        known = self._fresh()
        found = key_for(known.keys, kid, algorithm)
        if found is None and kid is not None:
            found = key_for(self._looked_again(known).keys, kid, algorithm)
        return found

    def fetch(self) -> None:
        """Fetch now, whatever is known. Raises AuthUnavailable. For operators."""
        with self._lock:
            self._fetched()

    def _fresh(self) -> KeySet:
        known = self.state.known
        if known is not None and self._age(known) < FRESH_S:
            return known
        usable = self._usable(known)
        # Whoever has keys at hand does not wait for another thread's fetch.
        if not self._lock.acquire(timeout=0 if usable else FETCH_S):
            return usable or self._refused()
        try:
            return self._renewed()
        finally:
            self._lock.release()

    def _renewed(self) -> KeySet:
        known = self._adopted()
        if known is not None and self._age(known) < FRESH_S:
            return known
        usable = self._usable(known)
        if self.clock() < self.state.retry_at:
            return usable or self._refused()
        try:
            return self._fetched()
        except AuthUnavailable:
            if usable is None:
                raise
            return usable

    def _looked_again(self, known: KeySet) -> KeySet:
        """Newer keys, if there are any and it is allowed to look for them."""
        if not self._lock.acquire(timeout=FETCH_S):
            return known
        try:
            newest = self._adopted() or known
            if newest.fetched_at > known.fetched_at or not self._shared.slot(UNKNOWN_EVERY_S):
                return newest
            return self._fetched()
        except AuthUnavailable:
            return known
        finally:
            self._lock.release()

    def _adopted(self) -> KeySet | None:
        """The newest of what this process and the others fetched."""
        known, shared = self.state.known, self._shared.read()
        newest_at = known.fetched_at if known else self.clock() - STALE_S
        if shared is not None and shared.at > newest_at:
            known = self.state.known = KeySet(keys_of(shared.body), shared.at)
        return known

    def _fetched(self) -> KeySet:
        config = self._config
        try:
            body = jwks_fetch(config.jwks_urls, api_key=config.api_key)
        except JwksUnreadable as error:
            raise self._failed(str(error)) from error
        known = KeySet(keys_of(body), self.clock())
        self.state = JwksState(known=known)
        self._shared.write(body, known.fetched_at, life_s=STALE_S)
        return known

    def _failed(self, reason: str) -> AuthUnavailable:
        state, now = self.state, self.clock()
        state.failed_at, state.failure = now, reason
        state.retry_at = now + (RETRY_S if state.known else RETRY_EMPTY_S)
        since = "none at hand"
        if state.known is not None:
            since = f"using those of {datetime.fromtimestamp(state.known.fetched_at, UTC):%H:%M:%S}"
        logger.warning("Keys of the identity provider cannot be fetched (%s): %s.", reason, since)
        return AuthUnavailable()

    def _refused(self) -> KeySet:
        raise AuthUnavailable

    def _usable(self, known: KeySet | None) -> KeySet | None:
        return known if known is not None and self._age(known) < STALE_S else None

    def _age(self, known: KeySet) -> float:
        return self.clock() - known.fetched_at


def jwks() -> Jwks:
    """Of the provider that the settings name."""
    return _jwks_of(settings.EXTERNAL_SIGN_IN)


def jwks_forget() -> None:
    """Begin anew, as a process that has just started. For tests."""
    _jwks_of.cache_clear()


@lru_cache(maxsize=2)
def _jwks_of(config: ExternalSignIn) -> Jwks:
    return Jwks(config)
