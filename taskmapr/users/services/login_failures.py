"""How often signing in to one address failed. Counted in Redis, so by all processes together.

If Redis is down nobody can sign in by password (503): guessing must not become free because a
counter is gone. Requests that carry a token are not affected.
"""

from __future__ import annotations

import hashlib
from typing import Final

from redis.exceptions import RedisError

from taskmapr.core.errors import TooMany, Unavailable
from taskmapr.foundation.redis_client import redis_client
from taskmapr.users.models import email_normal

FAILURES_ALLOWED: Final = 10
WINDOW_S: Final = 15 * 60

# Counted before the password is looked at, so that parallel guesses cannot share one free slot.
# Returns the seconds to wait, or 0 when the attempt may go on.
_TAKE: Final = """
local failures = redis.call('INCR', KEYS[1])
if failures == 1 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
if failures <= tonumber(ARGV[1]) then return 0 end
redis.call('DECR', KEYS[1])
return math.max(redis.call('TTL', KEYS[1]), 1)
"""


def login_attempt_take(*, email: str) -> None:
    """Count an attempt as failed until `login_attempts_forget` says otherwise.

    Raises TooMany after FAILURES_ALLOWED failures in WINDOW_S seconds, Unavailable without Redis.
    """
    try:
        wait_s = redis_client().eval(_TAKE, 1, _key(email), FAILURES_ALLOWED, WINDOW_S)
    except RedisError as error:
        raise Unavailable("Signing in is not possible at the moment.") from error
    if wait_s:
        raise TooMany("Too many failed attempts for this address.", retry_after_s=int(wait_s))


def login_attempts_forget(*, email: str) -> None:
    """The password was right: start counting anew."""
    try:
        redis_client().delete(_key(email))
    except RedisError as error:
        raise Unavailable("Signing in is not possible at the moment.") from error


def _key(email: str) -> str:
    digest = hashlib.sha256(email_normal(email).encode()).hexdigest()
    return f"taskmapr:login-failures:{digest}"
