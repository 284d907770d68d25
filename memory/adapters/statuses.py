"""What the HTTP status of an embedding model's provider means."""

from __future__ import annotations

from typing import Final

from taskmapr.core.errors import ModelAuthFailed, ModelFailed, ModelRequestRefused

#: Statuses after which the same request may succeed: timeout, lock, too early, too many.
_PASSING: Final = frozenset({408, 409, 425, 429})


def failure_of(status: int) -> ModelFailed:
    """status: any but success. ModelRequestRefused when the same request can never succeed."""
    if status in (401, 403):
        return ModelAuthFailed("The embedding model's provider refused the configured key.")
    if status in _PASSING or status >= 500:
        return ModelFailed(
            f"The embedding model's provider answered with status {status}.",
            is_outage=status >= 500,
        )
    return ModelRequestRefused(
        f"The embedding model's provider refused the request (status {status})."
    )
