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
    try:
        return _judged(_words(command), tuple(prefixes))
    except _Refusal as refusal:
        return Refused(*refusal.args)


class _Refusal(Exception):
    """(reason, rule)."""


def _words(command: str) -> list[str]:
    if problem := _character_problem(command):
        raise _Refusal(problem, "characters")
    try:
        words = shlex.split(command, posix=True)
    except ValueError:
        raise _Refusal("a quote is not closed", "quotes") from None
    if not words:
        raise _Refusal("there is no command", "command")
    return words


def _judged(words: list[str], prefixes: tuple[str, ...]) -> Allowed:
    name = words[0]
    parse = COMMANDS.get(name)
    if parse is None:
        raise _Refusal(f"the command {name!r} is not one that only reads", "command")
    try:
        parsed = parse(words[1:])
    except Unlisted as error:
        raise _Refusal(f"{name}: {error}", "options") from None
    for at in parsed.paths:
        if problem := path_problem(parsed.argv[at], prefixes):
            raise _Refusal(problem, "paths")
    return Allowed((name, *parsed.argv), tuple(at + 1 for at in parsed.paths))


def quoted(argv: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, argv))


def _character_problem(command: str) -> str | None:
    if len(command) > MAX_LENGTH:
        return f"it is longer than {MAX_LENGTH} characters"
    for char in command:
        if not " " <= char <= "~":
            return f"the character {char!a} is not allowed"
        if char in _FORBIDDEN:
            return f"the character {char} is not allowed"
    return None
