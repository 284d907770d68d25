"""When a request to another service is tried again: a decision, and no waiting."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

#: Answers after which another attempt may succeed, beside every 5xx.
RETRIED_4XX: Final = frozenset({408, 425, 429})
#: Nobody is asked to wait longer than this, whatever a header says.
_LONGEST_S: Final = 86_400.0


def is_retried(status: int) -> bool:
    """Whether an HTTP status says that the same request may succeed later."""
    return status >= 500 or status in RETRIED_4XX


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """At most `attempts` in all; after the n-th failure a random part (full jitter) of
    `base_s` * 2^(n-1) seconds passes, of `cap_s` at most."""

    attempts: int = 3
    base_s: float = 0.5
    cap_s: float = 30.0

    def delay_s(
        self,
        failures: int,
        *,
        left_s: float = math.inf,
        retry_after_s: float | None = None,
        chance: Callable[[], float] = random.random,
    ) -> float | None:
        """Seconds until the next attempt; None when there is none.

        `failures`: attempts that failed, at least 1. `left_s`: until the deadline, which no attempt
        begins after. `retry_after_s`: what the other side asked for; never less than that passes,
        also when it is more than `cap_s`. `chance`: a number in [0, 1).
        """
        if failures >= self.attempts:
            return None
        # The exponent is bounded so that it stays a number however often somebody may try.
        longest_s = min(self.cap_s, self.base_s * 2 ** min(failures - 1, 60))
        delay_s = max(chance() * longest_s, retry_after_s or 0.0)
        return delay_s if delay_s < left_s else None


def retry_after_s(value: str | None, *, now: datetime | None = None) -> float | None:
    """What a `Retry-After` header asks for in seconds, from 0 to a day: a number, or a date (RFC
    9110, 10.2.3). None when there is none or nobody can read it."""
    text = (value or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_S)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        # The latter of numbers that no date can have.
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return min(max(0.0, (at - (now or datetime.now(UTC))).total_seconds()), _LONGEST_S)
