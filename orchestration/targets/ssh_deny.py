"""Commands that no confirmation lets through. A net under restricted accounts, not in their
place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from orchestration.targets.ssh_shell import TooTangled, commands_in

_TANGLED: Final = "it cannot be told what the command does"
#: Patterns that look along a pipe take longer with each further one.
MOST_PIPES: Final = 32


@dataclass(frozen=True, slots=True)
class DenyPattern:
    """A regular expression that is searched for in commands as `commands_in` gives them."""

    pattern: re.Pattern[str]
    reason: str

    @classmethod
    def of(cls, pattern: str, reason: str) -> DenyPattern:
        """Raises re.error."""
        return cls(re.compile(pattern), reason)


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
    reasons = (rule.reason for rule in patterns if any(rule.pattern.search(line) for line in found))
    return list(dict.fromkeys(reasons))
