"""Who is let in while Postgres is away: what Redis remembers of accounts, and nothing else.

A native token is trusted for the rest of its quarter of an hour. A token of the external provider
is, if its identity was seen within the last day. Accounts that were closed stay closed: that is
noted when they are closed, for longer than any token that could name them is remembered.
"""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Final, NoReturn
from uuid import UUID

from redis.exceptions import RedisError

from taskmapr.core.errors import DatabaseUnavailable, InvalidToken
from taskmapr.foundation.redis_client import redis_client
from taskmapr.users.models import User

CLOSED_LIFE_S: Final = 7 * 24 * 3600
IDENTITY_LIFE_S: Final = 24 * 3600
#: A process notes an identity again after so long.
NOTED_EVERY_S: Final = 600.0
_MOST_NOTED: Final = 10_000


def nobody() -> NoReturn:
    """What is remembered of those who only the database knows: owners of keys and of sessions."""
    raise DatabaseUnavailable


def user_trusted(user_id: UUID) -> User:
    """The user of a token that was verified, unless the account is known to be closed.

    Only the id is at hand: whatever else is asked of it goes to the database, so fails.
    Raises InvalidToken, DatabaseUnavailable when Redis does not answer either.
    """
    try:
        is_closed = redis_client().exists(_closed(user_id))
    except RedisError as error:
        raise DatabaseUnavailable from error
    if is_closed:
        raise InvalidToken
    return User.from_db("default", ["id", "is_active"], [user_id, True])


def user_trusted_by_identity(issuer: str, subject: str) -> User:
    """As `user_trusted`. Raises DatabaseUnavailable for an identity that was not seen lately."""
    try:
        known = redis_client().get(_identity(issuer, subject))
    except RedisError as error:
        raise DatabaseUnavailable from error
    if not isinstance(known, bytes):
        raise DatabaseUnavailable
    return user_trusted(UUID(known.decode()))


def account_closed_note(user_id: UUID) -> None:
    """Called after the account was closed. Without Redis nothing is noted, and nothing raises."""
    try:
        redis_client().set(_closed(user_id), b"1", ex=CLOSED_LIFE_S)
    except RedisError:
        return


def account_opened_note(user_id: UUID) -> None:
    """Called after a closed account was opened again."""
    try:
        redis_client().delete(_closed(user_id))
    except RedisError:
        return


class _Noted:
    """Which identities this process has noted lately. Never blocks on Redis twice for one."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._lock = threading.Lock()

    def is_due(self, key: str) -> bool:
        now = time.monotonic()
        with self._lock:
            if now - self._at.get(key, -NOTED_EVERY_S) < NOTED_EVERY_S:
                return False
            if len(self._at) >= _MOST_NOTED:
                self._at.clear()
            self._at[key] = now
            return True

    def forget(self) -> None:
        self._at.clear()


_noted = _Noted()


def identity_note(issuer: str, subject: str, user_id: UUID) -> None:
    """Remember whose identity this is. Costs nothing when it was noted lately."""
    key = _identity(issuer, subject)
    if not _noted.is_due(key):
        return
    try:
        redis_client().set(key, str(user_id), ex=IDENTITY_LIFE_S)
    except RedisError:
        return


def identities_forget() -> None:
    """Let every identity be noted again. For tests."""
    _noted.forget()


def _closed(user_id: UUID) -> str:
    return f"taskmapr:account-closed:{user_id}"


def _identity(issuer: str, subject: str) -> str:
    digest = hashlib.sha256(f"{issuer}\n{subject}".encode()).hexdigest()
    return f"taskmapr:identity:{digest}"
