"""How moments are written for programs, everywhere."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp_of(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and Z."""
    text = (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat(timespec="milliseconds")
    return text[:-6] + "Z"
