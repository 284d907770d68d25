"""One way to tell that something is away: what, why, what it means, and what happens now."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

logger = logging.getLogger(__name__)

#: An outage is told again at most this often.
WARN_EVERY_S: Final = 60.0


class Outage:
    """The warnings about one thing in this process."""

    def __init__(self, what: str, *, impact: str, action: str) -> None:
        """what: a clause such as `Postgres cannot be reached`; impact, action: sentences."""
        self._what = what
        self._impact = impact
        self._action = action
        self._lock = threading.Lock()
        self._told_at = -WARN_EVERY_S
        self._is_on = False

    def warn(self, reason: object) -> None:
        """Cheap when it was told a moment ago. reason: words, or the exception that told us."""
        said = type(reason).__name__ if isinstance(reason, BaseException) else str(reason)
        with self._lock:
            self._is_on = True
            if time.monotonic() - self._told_at < WARN_EVERY_S:
                return
            self._told_at = time.monotonic()
        logger.warning(
            "[TaskMapr] %s. Reason: %s. Impact: %s Action: %s",
            self._what,
            said.rstrip(". "),
            self._impact,
            self._action,
        )

    def over(self, news: str) -> None:
        """It is back; said once for each outage."""
        with self._lock:
            was_on, self._is_on = self._is_on, False
        if was_on:
            logger.info("[TaskMapr] %s", news)


REDIS: Final = Outage(
    "Redis cannot be reached",
    impact="New prompts are answered 503, and readers of running ones are a second behind.",
    action="Runs under way go on; their log goes to Postgres, and Redis is tried again all the"
    " time.",
)
WORKERS: Final = Outage(
    "No worker is at work",
    impact="New prompts wait, and fail as no_worker when nobody takes them in time.",
    action="Everything else is served; a worker that starts takes what waits.",
)
