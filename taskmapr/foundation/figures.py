"""Numbers as people read them. Pure; the templates use them as filters."""

from __future__ import annotations

from typing import Final

UNKNOWN: Final = "unknown"
NONE: Final = "\u2013"
_MICROS: Final = 1_000_000


def duration_text(milliseconds: int | None) -> str:
    """380 ms, 1.4 s, 2 min 05 s, 3 h 07 min; an en dash when there is none."""
    if milliseconds is None:
        return NONE
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 59_950:  # beyond, rounding would say 60.0 s
        return f"{milliseconds / 1000:.1f} s"
    minutes, rest = divmod(round(milliseconds / 1000), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def count_text(number: int | None) -> str:
    """980, 12.3 k, 4.1 M."""
    if number is None:
        return NONE
    if number >= 999_950:  # below, rounding would say 1000.0 k
        return f"{number / 1_000_000:.1f} M"
    return f"{number / 1000:.1f} k" if number >= 1000 else str(number)


def money_text(cost_usd_micros: int | None, *, tokens: int = 0) -> str:
    """Dollars with four decimals. No price and tokens used means unknown, which is never zero."""
    if cost_usd_micros is None:
        return UNKNOWN if tokens else NONE
    return f"$ {cost_usd_micros / _MICROS:.4f}"


def bytes_text(size_bytes: int) -> str:
    """812 B, 4.0 KiB, 1.2 MiB."""
    if size_bytes < 1024:
        return f"{size_bytes} B"
    for size, unit in ((1024**3, "GiB"), (1024**2, "MiB")):
        if size_bytes >= size:
            return f"{size_bytes / size:.1f} {unit}"
    return f"{size_bytes / 1024:.1f} KiB"


def short_id(value: object) -> str:
    """The end of an id: ids of one minute share their beginning."""
    text = str(value)
    return text if len(text) <= 14 else f"…{text[-12:]}"
