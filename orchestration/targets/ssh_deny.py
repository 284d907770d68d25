"""Commands that no confirmation lets through. A net under restricted accounts, not in their
place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import regex

from orchestration.targets.ssh_shell import TooTangled, commands_in

_TANGLED: Final = "it cannot be told what the command does"
#: Patterns that look along a pipe take longer with each further one.
MOST_PIPES: Final = 32
#: Operators write patterns, and users the commands: together some would look for hours.
LOOK_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class DenyPattern:
    """A regular expression that is searched for in commands as `commands_in` gives them."""

    pattern: regex.Pattern[str]
    reason: str

    @classmethod
    def of(cls, pattern: str, reason: str) -> DenyPattern:
        """Raises regex.error."""
        return cls(regex.compile(pattern), reason)

    def reason_against(self, lines: Iterable[str]) -> str | None:
        """Why none of these is carried out. A pattern that finds no end in time speaks against
        them."""
        try:
            found = any(self.pattern.search(line, timeout=LOOK_S) for line in lines)
        except TimeoutError:
            return f"{_TANGLED}: the rule against {self.reason} takes too long to look at it"
        return self.reason if found else None


def deny_reasons(command: str, patterns: Iterable[DenyPattern]) -> list[str]:
    """Why the command is never carried out; empty: no pattern speaks against it.

    A command that is too tangled to be looked at is refused as well.
    """
    if command.count("|") > MOST_PIPES:
        return [f"{_TANGLED}: it has more than {MOST_PIPES} pipes"]
    try:
        found = commands_in(command)
    except TooTangled as error:
        return [f"{_TANGLED}: {error}"]
    reasons = (rule.reason_against(found) for rule in patterns)
    return list(dict.fromkeys(filter(None, reasons)))
