"""What `up` says: lines with the name of who speaks, in one colour each."""

from __future__ import annotations

import os
import sys
from typing import TextIO

_COLOURS = (36, 35, 33, 32, 34, 31)
_WIDTH = 9
_PREFIX_RESET = "\x1b[0m"


class Terminal:
    """Writes whole lines. A terminal that is gone is no error: children must still be stopped."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._coloured = self._stream.isatty() and "NO_COLOR" not in os.environ
        self._names: dict[str, int] = {}

    def say(self, text: str) -> None:
        self._write(f"{text}\n")

    def line_of(self, name: str, line: str) -> None:
        label = f"{name:<{_WIDTH}}|"
        if self._coloured:
            colour = self._names.setdefault(name, _COLOURS[len(self._names) % len(_COLOURS)])
            label = f"\x1b[{colour}m{label}{_PREFIX_RESET}"
        self._write(f"{label} {line}\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            return
