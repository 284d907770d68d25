"""Sets of web origins, as settings and profiles write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, urlsplit

_HOST: Final = r"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])"
_ORIGIN: Final = re.compile(rf"[a-z][a-z0-9+.-]*://{_HOST}(?::(?:\d{{1,5}}|\*))?", re.I)


def is_origin(text: str) -> bool:
    """True for `scheme://host`, with a port or without; `*` may stand for any port."""
    return _ORIGIN.fullmatch(text) is not None


def address_parts(text: str) -> SplitResult | None:
    """The parts of an Origin or of `//` and a Host; None for what cannot be taken apart.

    Both are written by whoever asks.
    """
    try:
        return urlsplit(text)
    except ValueError:
        return None


class Origins:
    """Origins, compared without regard to case. Members that are no origins are left out.

    `http://localhost:*` holds every port of localhost, and localhost without one.
    """

    def __init__(self, members: Iterable[str]) -> None:
        fit = {member.lower() for member in members if is_origin(member)}
        self._any_port = frozenset(m.removesuffix(":*") for m in fit if m.endswith(":*"))
        self._exact = frozenset(m for m in fit if not m.endswith(":*"))

    def __contains__(self, origin: str) -> bool:
        origin = origin.lower()
        if origin in self._exact or origin in self._any_port:
            return True
        host, _, port = origin.rpartition(":")
        return host in self._any_port and port.isascii() and port.isdigit()
