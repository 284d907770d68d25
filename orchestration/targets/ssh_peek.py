"""Whether a command line provably only reads. Calls no shell."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from orchestration.targets.ssh_paths import path_problem
from orchestration.targets.ssh_peek_commands import COMMANDS
from orchestration.targets.ssh_peek_grammar import Unlisted

MAX_LENGTH: Final = 512
_FORBIDDEN: Final = frozenset(";&|<>$(){}[]*?~!#\\`")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What is sent: `argv`, of which the words numbered in `path_words` are paths."""

    argv: tuple[str, ...]
    path_words: tuple[int, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(self.argv[at] for at in self.path_words)

    @property
    def quoted(self) -> str:
        """As one line for a shell, every word quoted."""
        return quoted(self.argv)

    def with_paths(self, resolved: Mapping[str, str]) -> Allowed:
        """The same with other paths, which somebody has judged again."""
        argv = tuple(
            resolved[word] if at in self.path_words else word for at, word in enumerate(self.argv)
        )
        return Allowed(argv, self.path_words)


@dataclass(frozen=True, slots=True)
class Refused:
    """`rule`: `characters`, `quotes`, `command`, `options` or `paths`."""

    reason: str
    rule: str


def peek_decision(command: str, prefixes: Iterable[str]) -> Allowed | Refused:
    """Judge a command line as somebody wrote it. prefixes: below which files may be read."""
    if problem := _character_problem(command):
        return Refused(problem, "characters")
    try:
        words = shlex.split(command, posix=True)
    except ValueError:
        return Refused("a quote is not closed", "quotes")
    if not words:
        return Refused("there is no command", "command")
    parse = COMMANDS.get(words[0])
    if parse is None:
        return Refused(f"the command {words[0]!r} is not one that only reads", "command")
    try:
        parsed = parse(words[1:])
    except Unlisted as error:
        return Refused(f"{words[0]}: {error}", "options")
    kept = tuple(prefixes)
    for at in parsed.paths:
        if problem := path_problem(parsed.argv[at], kept):
            return Refused(problem, "paths")
    return Allowed((words[0], *parsed.argv), tuple(at + 1 for at in parsed.paths))


def quoted(argv: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, argv))


def _character_problem(command: str) -> str | None:
    if len(command) > MAX_LENGTH:
        return f"it is longer than {MAX_LENGTH} characters"
    for char in command:
        if not " " <= char <= "~":
            return f"the character {ascii(char)} is not allowed"
        if char in _FORBIDDEN:
            return f"the character {char} is not allowed"
    return None
