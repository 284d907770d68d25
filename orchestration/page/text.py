"""Makes text and JSON from outside fit to be stored: valid UTF-8, no NUL, bounded."""

from __future__ import annotations

import math
import re
from typing import Any, Final

#: PostgreSQL refuses NUL in text and JSON, UTF-8 has no code for half a surrogate pair.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_CUT: Final = "[cut]"
_MAX_DEPTH: Final = 32
_MAX_NODES: Final = 5_000


def storable(text: str, limit: int) -> str:
    """The first `limit` characters that can be stored."""
    if len(text) > limit:
        text = text[:limit]
    return _UNSTORABLE.sub("", text) if _UNSTORABLE.search(text) else text


def storable_json(value: Any, *, string_limit: int = 16_384) -> Any:
    """A copy of any decoded JSON that can be stored.

    At most 32 levels and 5,000 values deep and wide, strings cut to `string_limit` characters; what
    is beyond becomes `[cut]`. Numbers that JSON or PostgreSQL cannot hold become null or text.
    """
    return _Copy(string_limit).of(value, 0)


class _Copy:
    def __init__(self, string_limit: int) -> None:
        self._limit = string_limit
        self._left = _MAX_NODES

    def of(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            return _CUT
        if isinstance(value, str):
            return storable(value, self._limit)
        if isinstance(value, dict):
            return self._object(value, depth + 1)
        if isinstance(value, list | tuple):
            return self._list(value, depth + 1)
        return _number(value)

    def _object(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        for key, member in value.items():
            copy[storable(str(key), 200)] = self.of(member, depth)
            if self._left < 0:
                break
        return copy

    def _list(self, value: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
        copy = []
        for member in value:
            copy.append(self.of(member, depth))
            if self._left < 0:
                break
        return copy


def _number(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        # Python refuses to print integers of more than 4,300 digits, hence hex.
        return value if -(2**63) <= value < 2**63 else hex(value)[:200]
    return storable(str(value), 200)
