"""Who asks, when a request is made again, and how often to look whether something is done."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final

from taskmapr.client.calls import Call
from taskmapr.client.errors import ApiError, ClientError, NoAnswer, RateLimited, Unavailable

#: Seconds between two looks at a job: at first, and at most.
LOOK_S: Final = 0.2
LOOK_MAX_S: Final = 2.0
#: Streams say something every 15 s at least.
SILENCE_S: Final = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """`retries`: further attempts after the first. `max_pause_s`: a server that asks for a longer
    pause is not waited for."""

    retries: int = 2
    base_s: float = 0.5
    max_pause_s: float = 30.0


def credentials(api_key: str | None, token: str | None) -> dict[str, str]:
    """Headers that say who asks. Neither: a server on a developer's machine needs none."""
    if api_key and token:
        raise ValueError("give an API key or a token, not both")
    if api_key:
        return {"x-api-key": api_key}
    return {"authorization": f"Bearer {token}"} if token else {}


def pause_before(
    call: Call[Any], error: ClientError, *, attempt: int, patience: Patience
) -> float | None:
    """Seconds until the call is made again; None: it is not, and the error counts.

    attempt: 1 for the first. A refusal (429, 503) is repeated when the server says when; a broken
    connection only where a repeat cannot do the work twice.
    """
    if attempt > patience.retries:
        return None
    if isinstance(error, RateLimited | Unavailable):
        asked_s = error.retry_after_s
        # A job was begun and failed: another one is for the caller to ask for.
        if asked_s is None or asked_s > patience.max_pause_s or error.job_id is not None:
            return None
        return asked_s
    if isinstance(error, NoAnswer) and call.is_repeatable:
        # Not for secrets: it only keeps clients from coming back together.
        drawn = (1 + random.random()) / 2  # noqa: S311
        return float(patience.base_s * 2 ** (attempt - 1) * drawn)
    return None


def look_pause(looks: int) -> float:
    """Seconds until the next look, after so many."""
    return float(min(LOOK_S * 1.5 ** min(looks, 30), LOOK_MAX_S))


def is_worth_resuming(error: ClientError) -> bool:
    """Whether a stream that ended like this may go on elsewhere."""
    if isinstance(error, ApiError):
        return error.status in (429, 502, 503, 504)
    return isinstance(error, NoAnswer)
