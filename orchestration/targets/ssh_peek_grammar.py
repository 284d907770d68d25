"""What may stand behind the name of a command that only reads: a small grammar for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final


class Unlisted(ValueError):
    """A word that the command may not have; the text says which, and why."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The words as they are sent, and the numbers of those that are paths."""

    argv: tuple[str, ...]
    paths: tuple[int, ...] = ()


#: Behind an option: whether a value is one that it may have.
Value = Callable[[str], bool]
Parse = Callable[[Sequence[str]], Parsed]


def matching(pattern: str) -> Value:
    compiled = re.compile(pattern, re.ASCII)
    return lambda value: compiled.fullmatch(value) is not None


def at_most(most: int) -> Value:
    """Plain digits: no sign, no unit, no word."""
    return lambda value: re.fullmatch(r"[0-9]{1,6}", value) is not None and int(value) <= most


def nothing(value: str) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """Options and operands in any order, as `getopt` reads them. Long names are not shortened, and
    each word is either listed here or refused."""

    #: Letters without a value; may stand together behind one dash.
    flags: str = ""
    long_flags: frozenset[str] = frozenset()
    #: With a value: `-n` → test, `--lines` → test. Attached or as the next word.
    valued: Mapping[str, Value] = field(default_factory=dict)
    #: `-20`, as head and tail know it.
    has_count: bool = False
    #: Operands are paths, else what this says.
    takes_paths: bool = False
    operand: Value = nothing
    fewest: int = 0
    most: int = 16
    #: A word that must be there.
    needed: str = ""

    def __call__(self, words: Sequence[str]) -> Parsed:
        """words: behind the name. Raises Unlisted."""
        operands: list[int] = []
        at = 0
        while at < len(words):
            word = words[at]
            if word.startswith("--"):
                at += self._long(word, words[at + 1 : at + 2])
            elif word.startswith("-"):
                at += self._short(word, words[at + 1 : at + 2])
            else:
                operands.append(at)
                at += 1
        self._check(words, operands)
        return Parsed(tuple(words), tuple(operands) if self.takes_paths else ())

    def _long(self, word: str, following: Sequence[str]) -> int:
        name, equals, value = word.partition("=")
        if not equals and name in self.long_flags:
            return 1
        if name not in self.valued:
            raise Unlisted(f"the option {name} is not allowed")
        return self._value(name, [value] if equals else following, 1 if equals else 2)

    def _short(self, word: str, following: Sequence[str]) -> int:
        if self.has_count and re.fullmatch(r"-[0-9]{1,6}", word):
            return 1
        if len(word) == 1:
            raise Unlisted("reading from standard input is not allowed")
        for number, letter in enumerate(word[1:], start=2):
            if letter in self.flags:
                continue
            if f"-{letter}" not in self.valued:
                raise Unlisted(f"the option -{letter} is not allowed")
            rest = word[number:]
            return self._value(f"-{letter}", [rest] if rest else following, 1 if rest else 2)
        return 1

    def _value(self, name: str, value: Sequence[str], used: int) -> int:
        if not value:
            raise Unlisted(f"the option {name} needs a value")
        if not self.valued[name](value[0]):
            raise Unlisted(f"the option {name} may not have the value {value[0]!r}")
        return used

    def _check(self, words: Sequence[str], operands: Sequence[int]) -> None:
        if len(operands) < self.fewest:
            raise Unlisted("a path is needed" if self.takes_paths else "something is missing")
        if self.needed and self.needed not in words:
            raise Unlisted(f"it needs {self.needed}")
        if len(operands) > self.most:
            raise Unlisted(f"more than {self.most} operands")
        for at in operands:
            if not self.takes_paths and not self.operand(words[at]):
                raise Unlisted(f"{words[at]!r} is not allowed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verbs:
    """A command with verbs, each with a grammar; before the verb, only these words."""

    verbs: Mapping[str, Parse]
    before: frozenset[str] = frozenset()

    def __call__(self, words: Sequence[str]) -> Parsed:
        at = 0
        while at < len(words) and words[at] in self.before:
            at += 1
        verb = words[at] if at < len(words) else ""
        if verb not in self.verbs:
            raise Unlisted(f"{verb!r} is not one of {', '.join(self.verbs)}")
        parsed = self.verbs[verb](words[at + 1 :])
        return Parsed((*words[: at + 1], *parsed.argv))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """One of these ways to write it, nothing in between."""

    forms: tuple[Parse, ...]

    def __call__(self, words: Sequence[str]) -> Parsed:
        problems: list[Unlisted] = []
        for parse in self.forms:
            try:
                return parse(words)
            except Unlisted as error:
                problems.append(error)
        raise problems[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adding:
    """What another grammar parsed, with words that bound it when they are missing."""

    parse: Parse
    #: Any of these names → words to add when none of them is there.
    missing: Mapping[tuple[str, ...], tuple[str, ...]]

    def __call__(self, words: Sequence[str]) -> Parsed:
        parsed = self.parse(words)
        added = [
            word
            for names, extra in self.missing.items()
            if not any(self._has(parsed.argv, name) for name in names)
            for word in extra
        ]
        # In front: behind an operand, some commands take options for something else.
        count = len(added)
        return Parsed((*added, *parsed.argv), tuple(at + count for at in parsed.paths))

    @staticmethod
    def _has(words: Sequence[str], name: str) -> bool:
        if name.startswith("--"):
            return any(word == name or word.startswith(f"{name}=") for word in words)
        return any(word.startswith(name) for word in words)


def exactly(*words: str) -> Parse:
    """These words and no others."""

    def parse(given: Sequence[str]) -> Parsed:
        if tuple(given) != words:
            raise Unlisted(f"only {' '.join(words) or 'no argument'} may follow")
        return Parsed(words)

    return parse


NUMBER: Final = matching(r"[+-]?[0-9]{1,9}([bkKMG]|kB|MB)?")
