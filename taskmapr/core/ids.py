"""Identifiers. Run ids are UUIDs of version 7: they sort by the time of creation."""

from __future__ import annotations

import os
import time
from datetime import datetime
from uuid import UUID

_VARIANT = 0b10 << 62


def uuid7(at_ms: int | None = None) -> UUID:
    """A UUID of version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    rand = int.from_bytes(os.urandom(10), "big")
    high = (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | (rand >> 64 & 0x0FFF)
    return UUID(int=high << 64 | _VARIANT | (rand & 0x3FFF_FFFF_FFFF_FFFF))


def uuid7_floor(at: datetime) -> UUID:
    """The smallest value any uuid7 made at or after `at` (aware) can have: a partition bound."""
    return UUID(int=(int(at.timestamp() * 1000) & 0xFFFF_FFFF_FFFF) << 80)
